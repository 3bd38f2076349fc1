package filter

// Counting says which of the things that change with every server somebody looks at. They
// are kept only then: each makes hosts different that were alike.
type Counting struct {
	Instances, IOOps, Failed bool
	Types                    bool // Host.Types
	Props                    bool // Host.Props
	Metrics                  bool // Facts.Metrics
}

// Or adds what another looks at.
func (c Counting) Or(d Counting) Counting {
	return Counting{c.Instances || d.Instances, c.IOOps || d.IOOps, c.Failed || d.Failed, c.Types || d.Types,
		c.Props || d.Props, c.Metrics || d.Metrics}
}
