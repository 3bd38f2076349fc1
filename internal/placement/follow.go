package placement

// Read holds the index still while fn looks at it. What fn gets from it, other than
// candidates, answers, providers and shapes, is not for use afterwards. Fn must be quick,
// for claims wait for it, and must not call Placement.
func (p *Placement) Read(fn func(*Index)) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	fn(p.live)
}

// SetLabel says what the scheduler knows of a root provider, as a comparable value that is
// equal for hosts that no rule tells apart; nil takes it back.
func (p *Placement) SetLabel(root string, label any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live.SetLabel(root, label)
}
