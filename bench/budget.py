"""Time: what each part may take, and what becomes of work that does not get enough of it."""

import contextlib
import signal
import sys
import time

STARTED = time.monotonic()
NO_TIME = "not measured (out of time)"
NO_ROOM = "does not fit"
# What PyTorch and our binaries say where memory is short.
SHORT = ("out of memory", "can't allocate memory")


class OutOfTime(BaseException):
    """Not an `Exception`: torch.compile catches those of its backends."""


class Budget:
    """Minutes shared out among parts; what one leaves is the next one's."""

    def __init__(self, minutes, shares):
        self.end = STARTED + 60 * minutes
        self.shares, self.deadline = dict(shares), self.end

    def begin(self, part):
        """Gives `part` its share of what is left, by the weights of the parts not yet begun."""
        now, whole = time.monotonic(), sum(self.shares.values())
        self.deadline = now + (self.end - now) * self.shares.pop(part) / whole

    def left(self):
        """Seconds of the part."""
        return self.deadline - time.monotonic()

    @contextlib.contextmanager
    def limit(self, seconds=None):
        """Raises `OutOfTime` once `seconds`, or those of the part, are over."""
        most = self.left() if seconds is None else min(seconds, self.left())
        if most <= 0:
            raise OutOfTime
        signal.signal(signal.SIGALRM, out_of_time)
        # Again some seconds later: what is raised in a destructor is lost.
        signal.setitimer(signal.ITIMER_REAL, most, 5)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def attempt(self, notes, key, work, seconds=None):
        """What `work` returns; where it ends otherwise, `notes[key]` says why and None comes back.

        What was given up once is not tried again.
        """
        if key in notes:
            return None
        try:
            with self.limit(seconds):
                return work()
        except OutOfTime:
            notes[key] = NO_TIME
        except Exception as error:
            notes[key] = reason(error)
        return None


def out_of_time(*_):
    raise OutOfTime


def reason(error):
    """One line about `error`."""
    text = str(error) or type(error).__name__
    if any(short in text.lower() for short in SHORT):
        return NO_ROOM
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"not measured ({lines[0][:200]})"


def tell(text):
    """A line of progress."""
    print(f"[{time.monotonic() - STARTED:5.0f} s] {text}", file=sys.stderr, flush=True)
