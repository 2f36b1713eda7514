"""The listeners of locust's events: they connect a process of locust with its part of a run."""

from __future__ import annotations

import logging
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

import gevent
from locust import events
from locust.runners import STATE_MISSING, MasterRunner, Runner, WorkerRunner

from loadtests.load import messages, options
from loadtests.load.crew import Crew
from loadtests.load.head import FAILED, Head
from loadtests.load.people import Person
from loadtests.load.selection import drop_idle_classes
from loadtests.load.shapes import PlannedShape

if TYPE_CHECKING:
    from locust.env import Environment

logger = logging.getLogger("load")
# The verdict is shown at any --loglevel.
logger.setLevel(logging.INFO)


def install() -> None:
    """Add the options to the command line, and the listeners to each process."""
    _listen("init_command_line_parser", options.add_arguments)
    _listen("init", connect)


def connect(environment: Environment, runner: Runner, **_: object) -> None:
    """Give a process its part: a master judges, a worker has users, a single process does both."""
    if isinstance(runner, WorkerRunner):
        crew = connect_users(runner)
        runner.register_message(messages.FINISH, crew.finish, concurrent=True)
        _listen("quitting", lambda **_: _quit_worker(environment, crew))
        return
    # Locust handles SIGTERM only after a headless shape has ended. Until then, treat SIGTERM as
    # Ctrl-C.
    interrupt_main(signal.SIGINT, signal.SIGTERM)
    try:
        host = environment.host = options.host(environment.host)
        choose_shape(environment, runner)
    except options.BadSetting as error:
        sys.exit(_refusal(error))
    drop_idle_classes(environment)
    assert environment.parsed_options
    credentials = options.credentials_file(environment.parsed_options.credentials)
    head = Head(environment, host, credentials, lambda: _connected(runner), lambda: _cancel(runner))
    runner.register_message(messages.FAULT, head.note_fault)
    runner.register_message(messages.FINISHED, head.note_finished)
    _listen("test_start", lambda **_: _start(environment, head))
    if isinstance(runner, MasterRunner):
        _listen("worker_connect", head.welcome)
        _listen("test_stopping", lambda **_: _end_shape(runner))
        _listen("test_stopping", head.wait_for_workers)
    else:
        _listen("test_stop", head.take_numbers)
        connect_users(runner)
    _listen("test_stop", head.judge)
    _listen("quitting", lambda **_: _quit_judge(environment, head))


def interrupt_main(*signals: signal.Signals) -> None:
    """Let each of the signals raise `KeyboardInterrupt` in the main greenlet, where locust waits.

    Python's own handler raises the exception in the greenlet that runs at that moment. A destructor
    or an `except BaseException` there can swallow the exception, and locust would run on.
    """
    hub = gevent.get_hub()
    for one in signals:
        gevent.signal_handler(one, hub.handle_system_error, KeyboardInterrupt, KeyboardInterrupt())


def connect_users(runner: Runner) -> Crew:
    """Let the users of this process get their site."""
    Person.crew = crew = Crew(runner)
    runner.register_message(messages.SITE, crew.take_site)
    _listen("test_stop", crew.close)
    return crew


def choose_shape(environment: Environment, runner: Runner) -> None:
    """Let locust follow the shape of `--shape`, or none; raise `BadSetting`.

    Without this, locust follows the first shape class of a locustfile.
    """
    assert environment.parsed_options
    wanted: str | None = environment.parsed_options.shape
    users, seconds = options.scale(environment.parsed_options)
    if isinstance(environment.shape_class, PlannedShape):
        environment.shape_class = None
    for name, shape in (environment.available_shape_classes or {}).items():
        if isinstance(shape, PlannedShape):
            shape.scale(users, seconds)
            if wanted == name.lower():
                # The web page hides the fields that have no effect.
                shape.runner = runner
                type(shape).use_common_options = False
                environment.shape_class = shape


def _refusal(error: options.BadSetting) -> int:
    logger.error("%s", error)
    return FAILED


def _connected(runner: Runner) -> set[str]:
    if not isinstance(runner, MasterRunner):
        return set()
    return {name for name, one in runner.clients.items() if one.state != STATE_MISSING}


def _cancel(runner: Runner) -> NoReturn:
    """End the greenlet that starts a test, and a headless locust with it."""
    options = runner.environment.parsed_options
    headless = options is not None and options.headless
    _end_shape(runner)
    gevent.spawn(runner.quit if headless else runner.stop)
    raise gevent.GreenletExit


def _end_shape(runner: Runner) -> None:
    """Stop the shape, which would start users again while the workers report."""
    shape, runner.shape_greenlet, runner.shape_last_tick = runner.shape_greenlet, None, None
    if shape is not None and shape is not gevent.getcurrent():
        shape.kill()


def _start(environment: Environment, head: Head) -> None:
    shape = environment.shape_class
    if not isinstance(shape, PlannedShape):
        head.start()
        return
    shape.is_waiting = True
    head.start()
    shape.reset_time()  # type: ignore[no-untyped-call]
    shape.is_waiting = False


def _quit_judge(environment: Environment, head: Head) -> None:
    """Stop a test that still runs, for example after Ctrl-C, and set the exit status."""
    assert environment.runner
    environment.runner.quit()
    environment.process_exit_code = head.settle()


def _quit_worker(environment: Environment, crew: Crew) -> None:
    """Report before a worker ends. The exit status is 1 after a fault, not for failed requests."""
    assert environment.runner
    environment.runner.stop()
    crew.close(environment)
    environment.process_exit_code = int(crew.failed)


def _listen(event: str, listener: object) -> None:
    getattr(events, event).add_listener(listener)
