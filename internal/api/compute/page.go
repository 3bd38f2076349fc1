package compute

// noQuery reads the query of a route that takes none.
func (q *Request) noQuery() error { return q.Query(&emptyQuery{}) }

// pageQuery are the keys of lists that come in pages.
type pageQuery struct {
	Limit  *int64 `json:"limit" min:"0" pattern:"^[0-9]*$"`
	Marker string `json:"marker"`
}

// limit is how many items the page holds at most.
func (p *pageQuery) limit(q *Request) int {
	most := q.API.cfg.Settings.MaxLimit
	if p.Limit == nil {
		return most
	}
	return int(min(*p.Limit, int64(most)))
}

// full says whether a page of n items is full, so that another may follow.
func full(n, limit int) bool { return limit > 0 && n == limit }
