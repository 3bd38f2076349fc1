package virt

import (
	"strconv"
	"strings"

	"github.com/kilonova/kilonova/internal/nova"
)

// PageKiB reads the size of memory pages as operators write it: a number of KiB, or one with
// a unit, as 2048, 2MB or 1GiB.
func PageKiB(text string) (int64, error) {
	number := strings.TrimRight(text, "KMGTiB")
	n, err := strconv.ParseInt(number, 10, 64)
	unit := text[len(number):]
	factor, known := map[string]int64{"": 1, "KB": 1, "KiB": 1, "MB": 1 << 10, "MiB": 1 << 10, "GB": 1 << 20, "GiB": 1 << 20, "TB": 1 << 30, "TiB": 1 << 30}[unit]
	if err != nil || !known || n < 1 || n > 1<<30 {
		return 0, nova.Errorf(nova.Invalid, "Invalid memory page size '%s'", text)
	}
	return n * factor, nil
}
