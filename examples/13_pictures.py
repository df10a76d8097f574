"""Pictures: which classes are confused, how sure each decision is, and whether the confidence is true.

    pip install "..[sandbox,plot]"
    python 13_pictures.py                                      # on a sandbox, with the open reference core
    NIMBUS_API_KEY=nbci_live_… python 13_pictures.py           # with your own key; the trials stay simulated

Three pictures are saved in the current folder.
"""

from on_sandbox import sandbox_unless_key

import nimbus_sdk

with sandbox_unless_key():
    nimbus_sdk.install_core()
    from nimbus_sdk_core import plot_calibration, plot_confusion, plot_posteriors, simulate

    trials = simulate("motor_imagery", n_trials=200, seed=5)
    model = nimbus_sdk.load_model(nimbus_sdk.NimbusLDA, "motor_imagery_4class_v1")
    result = nimbus_sdk.predict_batch(model, trials)

    # The names of the classes come from the model.
    plot_confusion(result, trials.labels).savefig("1-confusion.png")
    plot_posteriors(nimbus_sdk.predict_batch(model, trials[:60])).savefig("2-posteriors.png")
    plot_calibration(result).savefig("3-calibration.png")
    print(f"{result.accuracy:.1%} of {len(result)} trials are correct; three pictures were saved")
