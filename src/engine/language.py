# SPDX-License-Identifier: MIT
"""Run by the engine behind prelude.py, in the same namespace: with, eval and exec, reload, and the event loop of a
session, which is made by the first coroutine that a call gives."""

import sys

# ---- with ----


class With:
    """A context manager that was entered."""

    __slots__ = ("exit", "entered", "waits")


def enter(manager):
    """A With, or a coroutine of one."""
    kind = type(manager)
    entered = With()
    try:
        begin, entered.exit, entered.waits = kind.__enter__, (kind.__exit__, manager), False
    except AttributeError:
        try:
            begin, entered.exit, entered.waits = kind.__aenter__, (kind.__aexit__, manager), True
        except AttributeError:
            raise TypeError(
                "%r object does not support the context manager protocol" % name_of(kind)  # noqa: F821
            ) from None
        return enter_async(entered, begin(manager))
    entered.entered = begin(manager)
    return entered


async def enter_async(entered, awaitable):
    entered.entered = await awaitable
    return entered


def leave(entered, *error):
    """Whether the manager has suppressed the error: an exception, or code, name and text of one of the library's."""
    exit, manager = entered.exit
    value = error[0] if len(error) == 1 else Error(*error) if error else None  # noqa: F821
    if entered.waits:
        return leave_async(exit, manager, value)
    if value is None:
        exit(manager, None, None, None)
        return False
    trace = value.__traceback__
    try:
        raise value  # so that it is the one being handled
    except BaseException:
        value.__traceback__ = trace
        try:
            return bool(exit(manager, type(value), value, trace))
        except BaseException as other:
            if other is not value:
                raise
            value.__traceback__ = trace
            return False


async def leave_async(exit, manager, value):
    if value is None:
        await exit(manager, None, None, None)
        return False
    trace = value.__traceback__
    try:
        raise value
    except BaseException:
        value.__traceback__ = trace
        try:
            return bool(await exit(manager, type(value), value, trace))
        except BaseException as other:
            if other is not value:
                raise
            value.__traceback__ = trace
            return False


# ---- eval and exec ----

TOP_LEVEL_AWAIT = 0x2000  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
IS_COROUTINE = 0x80  # inspect.CO_COROUTINE
codes = {}
numbers = {"next": 1}


def code_of(source, mode):
    """Compiled once; tracebacks find its lines."""
    import linecache

    code = codes.get((source, mode))
    if code is None:
        name = "<sb_%s %d>" % (mode, numbers["next"])
        code = compile(source, name, mode, TOP_LEVEL_AWAIT, True)
        numbers["next"] += 1
        while len(codes) >= 256:
            old = codes.pop(next(iter(codes)))
            linecache.cache.pop(old.co_filename, None)
        codes[source, mode] = code
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    return code


def scope_of(variables):
    scope = {"__name__": "__main__", "__builtins__": sys.modules["builtins"]}
    scope.update(variables)
    return scope


def evaluate(source, variables):
    return eval(code_of(source, "eval"), scope_of(variables))


def execute(source, variables):
    """The variables there are at the end."""
    code = code_of(source, "exec")
    scope = scope_of(variables)
    result = eval(code, scope)
    if code.co_flags & IS_COROUTINE:
        return execute_async(result, scope)
    return variables_of(scope)


async def execute_async(awaitable, scope):
    await awaitable
    return variables_of(scope)


def variables_of(scope):
    """The functions among them go on using `scope`, which stays as it is."""
    return {k: v for k, v in scope.items() if k not in ("__name__", "__builtins__")}


def reload(module):
    import importlib

    if isinstance(module, str):
        name = module
        module = sys.modules.get(name)
        if module is None:
            return importlib.import_module(name)
    return importlib.reload(module)


# ---- the event loop ----


async def one_step(iterator):
    return await type(iterator).__anext__(iterator)


LOOPS = ("asyncio.base_events", "asyncio.runners", None)  # None: this file


class Runner:
    """The event loop of a session. Its tasks live on between calls, and advance while a call runs on it."""

    def __init__(self):
        self.loop = None
        self.task = None  # that a call waits for
        self.stopped = None

    def run(self, awaitable):
        import asyncio

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            close = getattr(awaitable, "close", None)
            if close is not None:
                close()
            raise RuntimeError("an async function was called from C inside of another one: await it in Python instead")
        if self.loop is None:
            self.loop = asyncio.new_event_loop()
        task = self.task = asyncio.ensure_future(awaitable, loop=self.loop)
        self.stopped = None
        try:
            return self.loop.run_until_complete(task)
        except BaseException as error:
            if not task.done():
                task.cancel()  # interrupted: it ends when the loop runs again
                if self.stopped is not None and isinstance(error, RuntimeError):
                    raise self.stopped from None
            trace = error.__traceback__
            while trace is not None and trace.tb_frame.f_globals.get("__name__") in LOOPS:
                trace = trace.tb_next
            raise error.with_traceback(trace)  # noqa: B904 (it is the same one)
        finally:
            # The task holds the exception, which holds this frame.
            self.task = self.stopped = task = trace = awaitable = None

    def step(self, iterator):
        return self.run(one_step(iterator))

    def stop(self, why):
        """From another thread: the call that runs on the loop ends with the exception `why`."""
        loop, task = self.loop, self.task
        if loop is not None and task is not None:
            self.stopped = why
            loop.call_soon_threadsafe(self.halt, task)

    def halt(self, task):
        if self.task is task:  # else that call has ended
            self.loop.stop()

    def close(self):
        """Cancels what is left, for a second at most."""
        loop, self.loop = self.loop, None
        if loop is None:
            return
        import asyncio

        try:
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            if tasks:
                loop.run_until_complete(asyncio.wait(tasks, timeout=1))
            loop.run_until_complete(asyncio.wait_for(loop.shutdown_asyncgens(), 1))
        except Exception:  # another loop runs on this thread, or they do not end
            pass
        finally:
            loop.close()


async def nothing():
    """Its coroutine's class is what the engine awaits."""


started = nothing()
Coroutine = type(started)
started.close()
