"""Functions that are called only where a tenant may do what they do."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from .holds import Reservation

if TYPE_CHECKING:
    from .engine import Engine

P = ParamSpec("P")
R = TypeVar("R")

RAISES: Any = object()
"""What a guarded function does where it is denied, unless configured otherwise."""

TenantOf = str | Callable[..., str]


class Guard:
    """Sets aside what an action charges, calls, and commits; where the function raises, everything
    goes back. Made by `Engine.guard`."""

    def __init__(
        self,
        engine: Engine,
        action: str,
        *,
        tenant: TenantOf,
        quantity: int | Callable[..., int] | None,
        ttl: timedelta | None,
        denied: Any,
    ) -> None:
        self._engine = engine
        self._action = action
        self._tenant = tenant
        self._quantity = quantity
        self._ttl = ttl
        self._denied = denied

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
            raise TypeError(f"{function!r} is a generator: guard what consumes it")
        if inspect.iscoroutinefunction(function):
            return cast("Callable[P, R]", self._of_coroutine(function))
        return self._of_function(function)

    def _of_function(self, function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            held = self._reserve(signature, args, kwargs)
            if not held and self._denied is not RAISES:
                return cast(R, self._instead(held))
            with held:
                return function(*args, **kwargs)

        return guarded

    def _of_coroutine(
        self, function: Callable[P, Coroutine[Any, Any, R]]
    ) -> Callable[P, Coroutine[Any, Any, R]]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            held = self._reserve(signature, args, kwargs)
            if not held and self._denied is not RAISES:
                return cast(R, self._instead(held))
            with held:
                return await function(*args, **kwargs)

        return guarded

    def _reserve(
        self, signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Reservation:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        quantity = self._quantity
        if callable(quantity):
            quantity = quantity(*args, **kwargs)
        tenant = self._engine.tenant(self._name(bound, args, kwargs))
        return tenant.reserve_action(self._action, ttl=self._ttl, quantity=quantity)

    def _name(
        self, bound: inspect.BoundArguments, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> str:
        if callable(self._tenant):
            return self._tenant(*args, **kwargs)
        named = bound.arguments.get(self._tenant)
        if not isinstance(named, str):
            raise TypeError(f"the guarded function has no text argument {self._tenant!r}")
        return named

    def _instead(self, held: Reservation) -> Any:
        return self._denied(held.decision) if callable(self._denied) else self._denied
