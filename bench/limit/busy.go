package limit

import (
	"time"

	"golang.org/x/sys/unix"
)

// ThreadTime is the processor's time of the calling thread so far; its caller is locked to
// the thread. What else the machine does is not in it.
func ThreadTime() time.Duration { return timeOf(unix.CLOCK_THREAD_CPUTIME_ID) }

// ProcessTime is the processor's time of this process so far.
func ProcessTime() time.Duration { return timeOf(unix.CLOCK_PROCESS_CPUTIME_ID) }

func timeOf(clock int32) time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(clock, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
