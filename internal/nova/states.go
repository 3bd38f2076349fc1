package nova

import "fmt"

// VMState is a server's stable state, as os-extended-status shows it.
type VMState string

// The vm states.
const (
	Active           VMState = "active"
	Building         VMState = "building"
	Stopped          VMState = "stopped"
	PausedState      VMState = "paused"
	SuspendedState   VMState = "suspended"
	Rescued          VMState = "rescued"
	Resized          VMState = "resized"
	SoftDeleted      VMState = "soft-delete"
	Deleted          VMState = "deleted"
	ErrorState       VMState = "error"
	Shelved          VMState = "shelved"
	ShelvedOffloaded VMState = "shelved_offloaded"
)

// TaskState is what is being done to a server; empty when nothing is.
type TaskState string

// The task states that our operations pass through.
const (
	NoTask            TaskState = ""
	Scheduling        TaskState = "scheduling"
	Networking        TaskState = "networking"
	Spawning          TaskState = "spawning"
	Deleting          TaskState = "deleting"
	PoweringOff       TaskState = "powering-off"
	PoweringOn        TaskState = "powering-on"
	Rebooting         TaskState = "rebooting"
	RebootPending     TaskState = "reboot_pending"
	RebootStarted     TaskState = "reboot_started"
	RebootingHard     TaskState = "rebooting_hard"
	RebootPendingHard TaskState = "reboot_pending_hard"
	RebootStartedHard TaskState = "reboot_started_hard"
	Pausing           TaskState = "pausing"
	Unpausing         TaskState = "unpausing"
	Suspending        TaskState = "suspending"
	Resuming          TaskState = "resuming"
)

// Power is what a guest does, numbered as the Compute API numbers it.
type Power int

// The powers (OS-EXT-STS:power_state).
const (
	NoState   Power = 0 // not there, or not known
	Running   Power = 1
	Paused    Power = 3
	Shutdown  Power = 4
	Crashed   Power = 6
	Suspended Power = 7 // memory is on disk
)

// status maps (vm state, task state) to the API's one word; the entry for NoTask is the
// vm state's default.
var status = map[VMState]map[TaskState]string{
	Active: {
		NoTask:    "ACTIVE",
		Rebooting: "REBOOT", RebootPending: "REBOOT", RebootStarted: "REBOOT",
		RebootingHard: "HARD_REBOOT", RebootPendingHard: "HARD_REBOOT", RebootStartedHard: "HARD_REBOOT",
		"updating_password": "PASSWORD",
		"rebuilding":        "REBUILD", "rebuild_block_device_mapping": "REBUILD", "rebuild_spawning": "REBUILD",
		"migrating":   "MIGRATING",
		"resize_prep": "RESIZE", "resize_migrating": "RESIZE", "resize_migrated": "RESIZE", "resize_finish": "RESIZE",
	},
	Building: {NoTask: "BUILD"},
	Stopped: {
		NoTask:        "SHUTOFF",
		"resize_prep": "RESIZE", "resize_migrating": "RESIZE", "resize_migrated": "RESIZE", "resize_finish": "RESIZE",
		"rebuilding": "REBUILD", "rebuild_block_device_mapping": "REBUILD", "rebuild_spawning": "REBUILD",
	},
	Resized:          {NoTask: "VERIFY_RESIZE", "resize_reverting": "REVERT_RESIZE"},
	PausedState:      {NoTask: "PAUSED", "migrating": "MIGRATING"},
	SuspendedState:   {NoTask: "SUSPENDED"},
	Rescued:          {NoTask: "RESCUE"},
	ErrorState:       {NoTask: "ERROR", "rebuilding": "REBUILD", "rebuild_block_device_mapping": "REBUILD", "rebuild_spawning": "REBUILD"},
	Deleted:          {NoTask: "DELETED"},
	SoftDeleted:      {NoTask: "SOFT_DELETED"},
	Shelved:          {NoTask: "SHELVED"},
	ShelvedOffloaded: {NoTask: "SHELVED_OFFLOADED"},
}

// Status is the API's one word for a pair of states; UNKNOWN for a state it has no word for.
func Status(vm VMState, task TaskState) string {
	m, ok := status[vm]
	if !ok {
		return "UNKNOWN"
	}
	if s, ok := m[task]; ok {
		return s
	}
	return m[NoTask]
}

// StatesOf is the reverse of Status: the vm states that can show the word. Which task
// states do is for Status to say. Unknown words have none.
func StatesOf(word string) []VMState {
	var out []VMState
	for vm, m := range status {
		for _, s := range m {
			if s == word {
				out = append(out, vm)
				break
			}
		}
	}
	return out
}

// Verb is something that a user does to a server.
type Verb string

// The verbs. Their names are those of instance actions where Nova records one.
const (
	Create       Verb = "create"
	Delete       Verb = "delete"
	Start        Verb = "start"
	Stop         Verb = "stop"
	SoftReboot   Verb = "reboot"
	HardReboot   Verb = "reboot hard"
	Pause        Verb = "pause"
	Unpause      Verb = "unpause"
	Suspend      Verb = "suspend"
	Resume       Verb = "resume"
	Lock         Verb = "lock"
	Unlock       Verb = "unlock"
	ResetState   Verb = "resetState"
	SetMetadata  Verb = "update metadata"
	DropMetadata Verb = "delete metadata"
	SetTags      Verb = "update tags"
)

// Edge says from where a verb may be done, what runs meanwhile and where it leads.
type Edge struct {
	Verb  Verb
	From  []VMState   // empty: any but deleted
	Task  []TaskState // the task states in which it may be done; nil: only NoTask; AnyTask: any
	While TaskState   // the task state while it runs
	To    VMState     // after it; empty: unchanged
	// Launched says that a server which never ran cannot do it.
	Launched bool
	// Locked says that a lock keeps everybody but admins from doing it.
	Locked bool
}

// AnyTask, in Edge.Task, allows every task state.
const AnyTask TaskState = "*"

// Edges is the state machine of a server: the API's 409s, the picture in the
// documentation and the tests read it.
// Source: Nova's check_instance_state decorators, as the Compute API documents them.
var Edges = []Edge{
	{Verb: Delete, Task: []TaskState{AnyTask}, While: Deleting, To: Deleted, Locked: true},
	{Verb: Start, From: []VMState{Stopped}, While: PoweringOn, To: Active, Launched: true, Locked: true},
	{Verb: Stop, From: []VMState{Active, ErrorState}, While: PoweringOff, To: Stopped, Launched: true, Locked: true},
	{Verb: SoftReboot, From: []VMState{Active}, While: Rebooting, To: Active, Launched: true},
	{Verb: HardReboot, From: []VMState{Active, ErrorState, PausedState, Stopped, SuspendedState},
		Task:  []TaskState{NoTask, Pausing, RebootPending, RebootStarted, Rebooting, RebootingHard, Resuming, Suspending, Unpausing},
		While: RebootingHard, To: Active, Launched: true},
	{Verb: Pause, From: []VMState{Active}, While: Pausing, To: PausedState, Launched: true, Locked: true},
	{Verb: Unpause, From: []VMState{PausedState}, While: Unpausing, To: Active, Launched: true, Locked: true},
	{Verb: Suspend, From: []VMState{Active}, While: Suspending, To: SuspendedState, Launched: true, Locked: true},
	{Verb: Resume, From: []VMState{SuspendedState}, While: Resuming, To: Active, Launched: true, Locked: true},
	{Verb: Lock, Task: []TaskState{AnyTask}},
	{Verb: Unlock, Task: []TaskState{AnyTask}},
	{Verb: ResetState, Task: []TaskState{AnyTask}},
	{Verb: SetMetadata, From: []VMState{Active, PausedState, SuspendedState, Stopped}, Task: []TaskState{AnyTask}, Locked: true},
	{Verb: DropMetadata, From: []VMState{Active, PausedState, SuspendedState, Stopped}, Task: []TaskState{AnyTask}, Locked: true},
	{Verb: SetTags, From: []VMState{Active, PausedState, SuspendedState, Stopped}, Task: []TaskState{AnyTask}, Locked: true},
}

// EdgeOf finds a verb's edge.
func EdgeOf(v Verb) (Edge, bool) {
	for _, e := range Edges {
		if e.Verb == v {
			return e, true
		}
	}
	return Edge{}, false
}

// Check says whether the verb may be done to s now: nil, or the API's 409 in Nova's
// words. Whoever bypasses locks (policy) says so.
func (s *Server) Check(v Verb, bypassLock bool) error {
	e, ok := EdgeOf(v)
	if !ok {
		return Errorf(Internal, "no edge for the verb %q", v)
	}
	name := string(v)
	if v == HardReboot {
		name = "reboot"
	}
	if e.Locked && s.Locked && !bypassLock {
		return Errorf(Conflict, "Instance %s is locked", s.ID)
	}
	state := func(attr string, val string) error {
		return Errorf(Conflict, "Cannot '%s' instance %s while it is in %s %s", name, s.ID, attr, val)
	}
	if !has(e.From, s.VM, s.VM != Deleted) {
		return state("vm_state", string(s.VM))
	}
	if !e.allowsTask(s.Task) {
		return state("task_state", string(s.Task))
	}
	if e.Launched && s.LaunchedAt.IsZero() {
		return Errorf(Conflict, "Cannot '%s' instance %s while it has never been active", name, s.ID)
	}
	return nil
}

func (e Edge) allowsTask(t TaskState) bool {
	if e.Task == nil {
		return t == NoTask
	}
	for _, a := range e.Task {
		if a == AnyTask || a == t {
			return true
		}
	}
	return false
}

func has(list []VMState, v VMState, whenEmpty bool) bool {
	if len(list) == 0 {
		return whenEmpty
	}
	for _, l := range list {
		if l == v {
			return true
		}
	}
	return false
}

// InstanceName is what hypervisors call the guest of the server with that number.
func InstanceName(num int64) string { return fmt.Sprintf("instance-%08x", num) }
