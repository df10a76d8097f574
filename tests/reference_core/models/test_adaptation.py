"""Models that follow a person whose signals drift."""

import pickle

import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    BCIMetadata,
    CoreDataError,
    ModelMismatchError,
    NimbusLDA,
    NimbusProbit,
    NimbusQDA,
    calibrate_model,
    finalize_trial,
    init_streaming,
    process_chunk,
    train_model,
)
from nimbus_sdk_core.models.adaptation import start_adaptation

from tests.reference_core.support import simulated

N_FEATURES, N_BEFORE = 6, 120


def record(
    seed: int, n_trials: int, **changes: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Trials of two classes to learn from, and later ones that drift, or whose gain and offset change."""
    random = np.random.default_rng(seed)
    places = np.array([[-0.8], [0.8]]) * random.choice([-1.0, 1.0], N_FEATURES)
    labels = np.arange(N_BEFORE) % 2
    before = random.normal(size=(N_BEFORE, N_FEATURES)) + places[labels]
    later_labels = random.integers(0, 2, n_trials)
    walks = changes.get("walk", 0.0) * random.normal(size=(n_trials, 2, N_FEATURES)).cumsum(axis=0)
    walks[:] = walks[:, :1] if changes.get("common") else walks
    later = random.normal(size=(n_trials, N_FEATURES)) + places[later_labels]
    later += walks[np.arange(n_trials), later_labels]
    return (
        before,
        labels,
        changes.get("gain", 1.0) * (later + changes.get("offset", 0.0) * places[1]),
        later_labels,
    )


def errors(
    model: NimbusLDA, x: np.ndarray, y: np.ndarray, adapt: str, forgetting: float = 0.99
) -> np.ndarray:
    """Whether each trial is decoded wrongly by the model as adapted to those before."""
    adaptation, wrong = start_adaptation(model, adapt, forgetting), []
    for vector, label in zip(x, y, strict=True):
        wrong.append(model.predict(vector[None])[0] != label)
        model = (adaptation and adaptation.update(vector, int(label))) or model
    return np.array(wrong)


@pytest.mark.parametrize("n_seeds", [1, pytest.param(20, marks=pytest.mark.qualification)])
def test_labels_let_a_model_follow_a_drift(n_seeds: int) -> None:
    """Where the classes walk apart from where they were, the adapted model errs at most half as often."""
    static, adapted = [], []
    for seed in range(n_seeds):
        before, labels, x, y = record(seed + 1, 180, walk=0.15)
        model = NimbusLDA().fit(before, labels)
        static.append(errors(model, x, y, "off")[-80:].mean())
        adapted.append(errors(model, x, y, "labelled")[-80:].mean())
    assert np.mean(static) > 0.12
    assert np.mean(adapted) < 0.5 * np.mean(static)


@pytest.mark.parametrize("n_seeds", [1, pytest.param(20, marks=pytest.mark.qualification)])
def test_a_common_drift_is_followed_without_labels(n_seeds: int) -> None:
    """The means of all classes move together, as after a change of the skin's impedance."""
    static, adapted = [], []
    for seed in range(n_seeds):
        before, labels, x, y = record(seed + 50, 240, walk=0.15, common=True)
        model = NimbusLDA().fit(before, labels)
        static.append(errors(model, x, y, "off")[-120:].mean())
        adapted.append(errors(model, x, y, "unlabelled", forgetting=0.9)[-120:].mean())
    assert np.mean(adapted) < 0.7 * np.mean(static)


@pytest.mark.parametrize("n_seeds", [1, pytest.param(20, marks=pytest.mark.qualification)])
@pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA])
def test_a_model_recovers_from_another_gain_within_twenty_trials(kind: type[NimbusLDA], n_seeds: int) -> None:
    """Signals twice as large about another zero: old trials lose their weight, new ones decide."""
    static, adapted = [], []
    for seed in range(n_seeds):
        before, labels, x, y = record(seed, 60, gain=2.0, offset=1.5)
        model = kind().fit(before, labels)
        static.append(errors(model, x, y, "off")[20:].mean())
        adapted.append(errors(model, x, y, "labelled")[20:].mean())
    assert np.mean(static) > 0.15
    assert np.mean(adapted) < 0.12


def record_several(seed: int, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Trials of four classes to learn from, and later ones with their labels, before and after a change."""
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(16, 16)) / 4.0 + np.eye(16)
    places, zero = random.normal(size=(4, 16)) / np.sqrt(2.0), random.normal(size=16)
    labels, later = random.permutation(np.arange(160) % 4), random.permutation(np.arange(60) % 4)
    before, x = ((random.normal(size=(len(y), 16)) + places[y]) @ mixing + zero for y in (labels, later))
    changed = {"gain": 2.0 * x, "half": 0.5 * x, "power": x + np.log(4.0)}[kind]
    return before, labels, x, changed, later


@pytest.mark.parametrize(
    ("kind", "adapt", "change", "n_seeds"),
    [
        (NimbusLDA, "labelled", "gain", 2),
        (NimbusLDA, "unlabelled", "gain", 2),
        (NimbusQDA, "labelled", "power", 1),
        *(
            pytest.param(kind, *ways, 20, marks=pytest.mark.qualification)
            for kind in (NimbusLDA, NimbusQDA)
            for ways in (
                ("labelled", "gain"),
                ("labelled", "half"),
                ("labelled", "power"),
                ("unlabelled", "gain"),
                ("unlabelled", "half"),
            )
        ),
    ],
)
def test_after_another_gain_many_features_are_decoded_as_before(
    kind: type[NimbusLDA], adapt: str, change: str, n_seeds: int
) -> None:
    """From the twentieth trial on as many errors, within three in a hundred, as without the change."""
    unchanged, static, adapted = [], [], []
    for seed in range(n_seeds):
        before, labels, as_before, x, y = record_several(seed + 2, change)
        model = kind().fit(before, labels)
        unchanged.append(errors(model, as_before, y, "off")[20:].mean())
        static.append(errors(model, x, y, "off")[20:].mean())
        adapted.append(errors(model, x, y, adapt)[20:].mean())
    assert np.mean(static) > np.mean(unchanged) + 0.05
    assert np.mean(adapted) < np.mean(unchanged) + 0.03


def test_an_artefact_with_a_label_changes_little() -> None:
    """A single trial ten times as large is no other gain: the trials after it are decoded as those before."""
    before, labels, x, _, y = record_several(2, "gain")
    model = NimbusLDA().fit(before, labels)
    expected = errors(model, x, y, "off").sum()
    x[20] *= 10.0
    assert errors(model, x, y, "labelled")[21:].sum() <= expected + 2


@pytest.mark.parametrize("n_seeds", [1, pytest.param(20, marks=pytest.mark.qualification)])
@pytest.mark.parametrize("size", [20.0, pytest.param(8.0, marks=pytest.mark.qualification)])
def test_artefacts_among_labelled_trials_are_not_learned(size: float, n_seeds: int) -> None:
    """With one trial in eight an artefact, the others are decoded as well as by a model that stays."""
    static, adapted = [], []
    for seed in range(n_seeds):
        before, labels, x, y = record(seed + 200, 160)
        random = np.random.default_rng(seed)
        is_artefact = random.random(160) < 0.125
        x[is_artefact] += size * random.normal(size=(is_artefact.sum(), N_FEATURES))
        model = NimbusLDA().fit(before, labels)
        static.append(errors(model, x, y, "off")[~is_artefact].mean())
        adapted.append(errors(model, x, y, "labelled")[~is_artefact].mean())
    assert np.mean(adapted) <= np.mean(static) + 0.015


def test_one_class_that_moves_far_is_learned() -> None:
    """Its trials are no artefacts, although most of the recent ones are as before."""
    before, labels, x, y = record(7, 120)
    y[60:] = np.arange(60) % 3 == 0
    x[60:] = np.random.default_rng(8).normal(size=(60, N_FEATURES)) + before[labels == 0].mean(axis=0)
    x[60:][y[60:] == 1] += 12.0 * np.array([1.0, -1.0, 0.0, 0.0, 0.0, 0.0])
    model = NimbusLDA().fit(before, labels)
    assert errors(model, x, y, "labelled")[90:].mean() <= 0.1


def test_a_changed_model_remembers_again() -> None:
    """After an electrode moved, trials like the last ones keep their weight: ever more of them count."""
    before, labels, x, y = record(5, 70)
    x = 2.0 * x @ np.linalg.qr(np.random.default_rng(5).normal(size=(N_FEATURES, N_FEATURES)))[0]
    adaptation = start_adaptation(NimbusLDA().fit(before, labels), "labelled", 0.99)
    counts = [float(adaptation.update(v, k).posterior_.counts.sum()) for v, k in zip(x, y, strict=True)]
    assert min(counts) < 40.0
    assert counts[-1] > min(counts) + 15.0


def test_signals_that_stay_lose_little() -> None:
    """Forgetting costs less than one error in fifty trials where nothing drifts."""
    before, labels, x, y = record(7, 60)
    model = NimbusLDA().fit(before, labels)
    static = errors(model, x, y, "off").mean()
    for adapt in ("labelled", "unlabelled"):
        assert errors(model, x, y, adapt).mean() < static + 0.02


def test_one_artefact_does_not_carry_the_model_away() -> None:
    """Without labels, a trial a thousand deviations away moves the means no further than an unusual one."""
    before, labels, x, _ = record(3, 40)
    model = NimbusLDA().fit(before, labels)
    adaptation = start_adaptation(model, "unlabelled", 0.95)
    moved = adaptation.update(x[0] + 1_000.0, None)
    assert np.abs(moved.posterior_.means - model.posterior_.means).max() < 1.0


def test_a_session_adapts_a_copy_of_its_model() -> None:
    """With labels from the decisions; the given model stays, and a session can be pickled and go on."""
    data = simulated("p300", n_trials=60, seed=1)
    model = train_model(NimbusLDA, data)
    before = model.posterior_
    session = init_streaming(model, data.metadata, adapt="labelled", forgetting=0.9)
    for trial in range(6):
        for start in range(0, 16, 4):
            process_chunk(session, data.features[:, start : start + 4, trial] + 5.0)
        finalize_trial(session, label=int(data.labels[trial]) if trial < 5 else None)
        session = pickle.loads(pickle.dumps(session))
    assert model.posterior_ is before
    assert session.model is not model
    assert session.model.card == model.card
    assert np.abs(session.model.posterior_.means - before.means).max() > 0.5
    off = init_streaming(model, data.metadata)
    assert off.model is model


def test_what_cannot_be_adapted_is_refused() -> None:
    """Another kind of model, an unknown way, a forgetting that leaves nothing."""
    data = simulated("p300", n_trials=40, seed=1)
    model = train_model(NimbusLDA, data)
    for ways, words in (
        ({"adapt": "always"}, "adapt is 'always'"),
        ({"adapt": "labelled", "forgetting": 0.0}, "forgetting is 0"),
        ({"adapt": "labelled", "forgetting": 1.5}, "forgetting is 1.5"),
    ):
        with pytest.raises(CoreDataError, match=words):
            init_streaming(model, data.metadata, **ways)
    with pytest.raises(ModelMismatchError, match="NimbusProbit cannot be adapted"):
        init_streaming(train_model(NimbusProbit, data), data.metadata, adapt="unlabelled")


def as_data(x: np.ndarray, y: np.ndarray) -> BCIData:
    """Vectors as trials."""
    about = BCIMetadata(1.0, "own", "own", x.shape[1], 2, temporal_aggregation="none")
    return BCIData(x.T[:, None], about, y)


def test_the_base_counts_as_much_as_is_asked_or_as_its_trials_are_alike() -> None:
    """A weight scales every trial of the base; "auto" is near 1 for the same person and small for another."""
    before, labels, x, y = record(1, 40)
    base = train_model(NimbusLDA, as_data(before, labels))
    half = calibrate_model(base, as_data(x, y), base_weight=0.5)
    expected = NimbusLDA().fit(
        np.vstack([before, x]), np.append(labels, y), np.append(np.full(N_BEFORE, 0.5), np.ones(40))
    )
    np.testing.assert_allclose(half.predict_proba(x), expected.predict_proba(x), rtol=1e-8)
    same = calibrate_model(base, as_data(x, y), base_weight="auto")
    np.testing.assert_allclose(same.posterior_.counts.sum(), N_BEFORE + 40)
    strange = calibrate_model(base, as_data(x[:, ::-1] * 2.0 + 3.0, y), base_weight="auto")
    assert strange.posterior_.counts.sum() < 0.25 * N_BEFORE + 40
    with pytest.raises(CoreDataError, match="base_weight is 0"):
        calibrate_model(base, as_data(x, y), base_weight=0.0)
    with pytest.raises(CoreDataError, match=r"base_weight is 'half'\. Give \"auto\" or a number"):
        calibrate_model(base, as_data(x, y), base_weight="half")
    with pytest.raises(CoreDataError, match="NimbusProbit has no base_weight"):
        calibrate_model(train_model(NimbusProbit, as_data(before, labels)), as_data(x, y), base_weight="auto")
