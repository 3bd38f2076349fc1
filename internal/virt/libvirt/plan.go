package libvirt

import (
	"github.com/kilonova/kilonova/internal/virt"
)

// have is what is there of a guest.
type have struct {
	defined bool
	power   virt.Power
	boots   int64
}

// action is one thing to do to a guest. Each may be repeated.
type action int

const (
	makeFiles   action = iota // make the disks that are missing
	define                    // write the document
	start                     // switch on, or continue from saved memory
	startPaused               // the same, with the CPUs stopped
	pause
	resume
	shutdown // ask the guest to switch itself off, then pull
	quit     // the same for a soft reboot, which has its own patience
	pull     // switch off at once
	save     // write the memory to disk and switch off
	forget   // throw saved memory away
)

var actionNames = [...]string{"make files", "define", "start", "start paused", "pause", "resume",
	"shut down", "quit", "pull", "save", "forget"}

// String is the action in words.
func (a action) String() string { return actionNames[a] }

// compare plans how a guest comes from what is there to what d says. A process may die
// between any two actions: planned again from what it left, the rest follows.
func compare(d virt.Domain, h have) []action {
	if !h.defined {
		return up([]action{makeFiles, define}, d.Power)
	}
	if d.Boots > h.boots {
		// The document gets its number only when the guest is off: a crash before
		// that asks for the reboot again, and one after it only for a start.
		return up(append(off(d, h), makeFiles, define), d.Power)
	}
	if h.power == d.Power {
		return nil
	}
	if h.power == virt.Shutdown || h.power == virt.NoState && d.Power != virt.Shutdown {
		// The document is written anew: ports may have come and gone.
		return up([]action{makeFiles, define}, d.Power)
	}
	if steps, ok := edges[[2]virt.Power{h.power, d.Power}]; ok {
		return steps
	}
	return up([]action{pull, makeFiles, define}, d.Power)
}

// edges are the plans for a guest that is on or saved, by what it is and what it shall be.
var edges = map[[2]virt.Power][]action{
	{virt.Running, virt.Paused}:     {pause},
	{virt.Running, virt.Shutdown}:   {shutdown},
	{virt.Running, virt.Suspended}:  {save},
	{virt.Paused, virt.Running}:     {resume},
	{virt.Paused, virt.Shutdown}:    {pull}, // its CPUs would not hear the button
	{virt.Paused, virt.Suspended}:   {save},
	{virt.Suspended, virt.Running}:  {start},
	{virt.Suspended, virt.Paused}:   {startPaused},
	{virt.Suspended, virt.Shutdown}: {forget},
	{virt.Crashed, virt.Shutdown}:   {pull},
	{virt.NoState, virt.Shutdown}:   {pull}, // a start of a process that died is under way
}

// off is how a guest is switched off for a reboot.
func off(d virt.Domain, h have) []action {
	switch {
	case h.power == virt.Suspended:
		return []action{forget}
	case h.power == virt.Shutdown:
		return nil
	case h.power == virt.Running && !d.HardBoot:
		return []action{quit}
	}
	return []action{pull}
}

// up adds what brings a guest that is off to the power.
func up(steps []action, p virt.Power) []action {
	switch p {
	case virt.Running:
		return append(steps, start)
	case virt.Paused:
		return append(steps, startPaused)
	case virt.Suspended:
		return append(steps, start, save)
	}
	return steps
}
