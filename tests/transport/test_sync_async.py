"""A method of a client is its flow: same name, signature, types and documentation; no argument is left."""

import asyncio
import inspect
import traceback
from typing import get_type_hints

import pytest

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.transport.flow import Flow, run_blocking
from nimbus_sdk.transport.sync_async import AwaitableClient, BlockingClient, awaitable, blocking

SECRET = "5ecret-of-a-caller"


class WordFlows:
    """Flows without a request."""

    def repeat(self, word: str, *, times: int = 2) -> Flow[str]:
        """Repeat a word."""
        text = yield from run_blocking(lambda: word * times)
        return text

    def fail(self, key: str) -> Flow[None]:
        """Delete the key, as flows with a key do, and fail."""
        key = ""
        yield from run_blocking(lambda: 1 // len(key))

    def __repr__(self) -> str:
        return "words"


class Words(BlockingClient[WordFlows]):
    """A blocking client."""

    def __init__(self) -> None:
        super().__init__(WordFlows(), Settings(), None)

    repeat = blocking(WordFlows.repeat)
    fail = blocking(WordFlows.fail)


class AsyncWords(AwaitableClient[WordFlows]):
    """Its awaitable twin."""

    def __init__(self) -> None:
        super().__init__(WordFlows(), Settings(), None)

    repeat = awaitable(WordFlows.repeat)
    fail = awaitable(WordFlows.fail)


def test_both_clients_return_the_result_of_the_flow():
    """Positional and keyword arguments reach it."""

    async def main():
        async with AsyncWords() as client:
            return await client.repeat("ab", times=3)

    with Words() as client:
        assert client.repeat("ab") == "abab"
    assert asyncio.run(main()) == "ababab"
    assert (repr(Words()), repr(AsyncWords())) == ("Words(words)", "AsyncWords(words)")


@pytest.mark.parametrize("kind", [Words, AsyncWords])
def test_a_method_is_described_as_its_flow(kind):
    """With the result in place of the flow, for help() and for tools that read types."""
    method = kind.repeat
    assert (method.__name__, method.__doc__) == ("repeat", "Repeat a word.")
    assert str(inspect.signature(method)) == "(self, word: str, *, times: int = 2) -> str"
    assert get_type_hints(method)["return"] is str
    assert inspect.iscoroutinefunction(method) is (kind is AsyncWords)


@pytest.mark.parametrize(
    "call", [lambda: Words().fail(SECRET), lambda: asyncio.run(AsyncWords().fail(SECRET))]
)
def test_no_frame_of_the_sdk_keeps_the_arguments(call):
    """A traceback with local variables does not show a key that the flow has deleted."""
    with pytest.raises(ZeroDivisionError) as caught:
        call()
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    ours = [frame for frame in frames if frame.f_globals["__name__"].startswith("nimbus_sdk")]
    assert ours
    assert SECRET not in repr([frame.f_locals for frame in ours])


@pytest.mark.parametrize(
    "call",
    [
        lambda more: Words().fail(SECRET, **more),
        lambda more: asyncio.run(AsyncWords().fail(SECRET, **more)),
    ],
)
def test_no_frame_of_the_sdk_keeps_the_arguments_of_a_call_that_does_not_fit(call):
    """Not even where another argument was misspelt."""
    with pytest.raises(TypeError, match="times") as caught:
        call({"times": 2})
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    ours = [frame for frame in frames if frame.f_globals["__name__"].startswith("nimbus_sdk")]
    assert ours
    assert SECRET not in repr([frame.f_locals for frame in ours])


def test_a_client_whose_constructor_failed_can_be_printed():
    """As a traceback with local variables prints it."""
    assert repr(Words.__new__(Words)) == "Words(not ready)"
    assert repr(AsyncWords.__new__(AsyncWords)) == "AsyncWords(not ready)"
