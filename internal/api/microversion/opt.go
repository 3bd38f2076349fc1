package microversion

// Opt is a request field of which absent, null and a value mean three things.
type Opt[T any] struct {
	Set  bool // the key was there
	Null bool // and held null
	V    T
}

// isOpt marks the type for the decoder, which fills the three fields by their order.
func (Opt[T]) isOpt() {}

type optional interface{ isOpt() }

// Or is the value, or other when there is none.
func (o Opt[T]) Or(other T) T {
	if o.Set && !o.Null {
		return o.V
	}
	return other
}

// Ptr is the value's address, nil when there is none.
func (o *Opt[T]) Ptr() *T {
	if o.Set && !o.Null {
		return &o.V
	}
	return nil
}
