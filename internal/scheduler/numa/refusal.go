package numa

import "fmt"

// Lack is what one host cell has too little of for one guest cell.
type Lack struct {
	What        string // "free dedicated CPUs"
	Asked, Free int64
}

func (l *Lack) short() int64 { return l.Asked - l.Free }

// String is the lack in words and numbers.
func (l *Lack) String() string { return fmt.Sprintf("%d %s, %d asked", l.Free, l.What, l.Asked) }

// Refusal says why a guest does not fit. Lack is the nearest miss, where it is a matter of
// numbers.
type Refusal struct {
	Why  string
	Lack *Lack
}

// String is the refusal in words.
func (r *Refusal) String() string { return r.Why }

func refuse(format string, args ...any) *Refusal { return &Refusal{Why: fmt.Sprintf(format, args...)} }

// nearest words the refusal of a guest cell that fits no host cell.
func nearest(guest, cells, hostID int, l *Lack) *Refusal {
	if cells == 1 {
		return &Refusal{Why: l.String(), Lack: l}
	}
	return &Refusal{Why: fmt.Sprintf("guest cell %d fits none of %d cells; cell %d has %s", guest, cells, hostID, l), Lack: l}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
