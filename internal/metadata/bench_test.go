package metadata

import "testing"

func BenchmarkMetaDataAgain(b *testing.B) {
	tree := room(b, settings()).Tree(full())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tree.Lookup(b.Context(), "/openstack/latest/meta_data.json", ""); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMetaDataOfANewTree(b *testing.B) {
	r, s := room(b, settings()), full()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Tree(s).Lookup(b.Context(), "/openstack/latest/meta_data.json", ""); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkConfigDrive(b *testing.B) {
	r, s := room(b, settings()), full()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.ConfigDrive(s); err != nil {
			b.Fatal(err)
		}
	}
}
