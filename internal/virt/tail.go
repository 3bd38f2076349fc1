package virt

import "bytes"

// MaxConsoleLog is the most that a Consoler answers, in bytes; Nova's bound.
const MaxConsoleLog = 100 << 10

// Tail cuts a console log to its last lines (all when lines < 0) and to MaxConsoleLog.
func Tail(log []byte, lines int) []byte {
	if len(log) > MaxConsoleLog {
		log = log[len(log)-MaxConsoleLog:]
	}
	if lines < 0 {
		return log
	}
	if lines == 0 {
		return nil
	}
	at := len(log)
	if at > 0 && log[at-1] == '\n' {
		at--
	}
	for ; lines > 0; lines-- {
		at = bytes.LastIndexByte(log[:at], '\n')
		if at < 0 {
			return log
		}
	}
	return log[at+1:]
}
