package microversion

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"github.com/kilonova/kilonova/internal/api/pyrepr"
)

// Ctx is what an answer is written for: a version, and what its reader may see.
type Ctx struct {
	V    V
	Show Show
}

// Appender is a type that writes itself, because its shape depends on the version in a
// way that tags cannot say. Implement it on the value or on the pointer. A struct that
// embeds one becomes one itself, as Go promotes methods: name the field instead.
type Appender interface {
	AppendMV(dst []byte, c Ctx) ([]byte, error)
}

// Append writes x as JSON of the version to dst and returns the longer slice. Keys come
// in the order of the fields. A nil slice is [], a nil map {}, a nil pointer or interface
// null; a zero time is null. Pass a pointer: a value is copied first.
func Append(dst []byte, c Ctx, x any) ([]byte, error) {
	return appendAny(dst, c, x)
}

func appendAny(dst []byte, c Ctx, x any) ([]byte, error) {
	if x == nil {
		return append(dst, "null"...), nil
	}
	t := reflect.TypeOf(x)
	if t.Kind() == reflect.Pointer && !t.Implements(appenderType) {
		v := reflect.ValueOf(x)
		if v.IsNil() {
			return append(dst, "null"...), nil
		}
		e, err := encoderOf(t.Elem())
		if err != nil {
			return nil, err
		}
		return e(dst, c, v.UnsafePointer())
	}
	e, err := encoderOf(t)
	if err != nil {
		return nil, err
	}
	p := reflect.New(t)
	p.Elem().Set(reflect.ValueOf(x))
	return e(dst, c, p.UnsafePointer())
}

// encoder writes the value that p points to. It only reads, and p always points to a
// value of the type for which the encoder was made.
type encoder func(dst []byte, c Ctx, p unsafe.Pointer) ([]byte, error)

var (
	encoders     sync.Map // reflect.Type → encoder; written once per type
	appenderType = reflect.TypeFor[Appender]()
	rawType      = reflect.TypeFor[json.RawMessage]()
	timeType     = reflect.TypeFor[time.Time]()
	textType     = reflect.TypeFor[json.Number]()
)

func encoderOf(t reflect.Type) (encoder, error) {
	if e, ok := encoders.Load(t); ok {
		return e.(encoder), nil
	}
	e, err := makeEncoder(t, "", nil)
	if err != nil {
		return nil, err
	}
	got, _ := encoders.LoadOrStore(t, e)
	return got.(encoder), nil
}

// Check builds the plans of x's type for every version and says what is wrong with its
// tags. Call it from a test for each type that an API speaks.
func Check(x any) error {
	t := reflect.TypeOf(x)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if _, err := encoderOf(t); err != nil {
		return err
	}
	_, err := decoderOf(t)
	return err
}

// building is the chain of structs under construction, so that a type that contains
// itself gets a plan that refers to itself.
type building map[reflect.Type]*structEncoder

func makeEncoder(t reflect.Type, timeFormat string, in building) (encoder, error) {
	switch {
	case (t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface) && t.Implements(appenderType):
		return appenderOrNull(t), nil
	case reflect.PointerTo(t).Implements(appenderType):
		return func(dst []byte, c Ctx, p unsafe.Pointer) ([]byte, error) {
			return reflect.NewAt(t, p).Interface().(Appender).AppendMV(dst, c)
		}, nil
	case t == rawType:
		return encodeRaw, nil
	case t == timeType:
		return timeEncoder(timeFormat)
	case t == textType:
		return encodeNumber, nil
	}
	switch t.Kind() {
	case reflect.Struct:
		return makeStruct(t, in)
	case reflect.Pointer:
		e, err := makeEncoder(t.Elem(), timeFormat, in)
		return encodePointer(e), err
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return nil, fmt.Errorf("microversion: a %v may be text, base64 or numbers; use a type that says which", t)
		}
		e, err := makeEncoder(t.Elem(), timeFormat, in)
		return encodeSlice(e, t.Elem().Size()), err
	case reflect.Array:
		e, err := makeEncoder(t.Elem(), timeFormat, in)
		return encodeArray(e, t.Elem().Size(), t.Len()), err
	case reflect.Map:
		return makeMap(t, timeFormat, in)
	case reflect.Interface:
		return func(dst []byte, c Ctx, p unsafe.Pointer) ([]byte, error) {
			return appendAny(dst, c, reflect.NewAt(t, p).Elem().Interface())
		}, nil
	}
	if e, ok := scalars[t.Kind()]; ok {
		return e, nil
	}
	return nil, fmt.Errorf("microversion: a %v cannot be written as JSON", t)
}

// appenderOrNull calls AppendMV through a pointer or an interface; nil is null.
func appenderOrNull(t reflect.Type) encoder {
	return func(dst []byte, c Ctx, p unsafe.Pointer) ([]byte, error) {
		v := reflect.NewAt(t, p).Elem()
		if v.IsNil() {
			return append(dst, "null"...), nil
		}
		return v.Interface().(Appender).AppendMV(dst, c)
	}
}

var scalars = map[reflect.Kind]encoder{
	reflect.String: func(dst []byte, _ Ctx, p unsafe.Pointer) ([]byte, error) {
		return AppendString(dst, *(*string)(p)), nil
	},
	reflect.Bool: func(dst []byte, _ Ctx, p unsafe.Pointer) ([]byte, error) {
		return strconv.AppendBool(dst, *(*bool)(p)), nil
	},
	reflect.Int:    encodeInt[int],
	reflect.Int8:   encodeInt[int8],
	reflect.Int16:  encodeInt[int16],
	reflect.Int32:  encodeInt[int32],
	reflect.Int64:  encodeInt[int64],
	reflect.Uint:   encodeUint[uint],
	reflect.Uint8:  encodeUint[uint8],
	reflect.Uint16: encodeUint[uint16],
	reflect.Uint32: encodeUint[uint32],
	reflect.Uint64: encodeUint[uint64],
	reflect.Float32: func(dst []byte, _ Ctx, p unsafe.Pointer) ([]byte, error) {
		return appendFloat(dst, float64(*(*float32)(p)), 32)
	},
	reflect.Float64: func(dst []byte, _ Ctx, p unsafe.Pointer) ([]byte, error) {
		return appendFloat(dst, *(*float64)(p), 64)
	},
}

func encodeInt[T int | int8 | int16 | int32 | int64](dst []byte, _ Ctx, p unsafe.Pointer) ([]byte, error) {
	return strconv.AppendInt(dst, int64(*(*T)(p)), 10), nil
}

func encodeUint[T uint | uint8 | uint16 | uint32 | uint64](dst []byte, _ Ctx, p unsafe.Pointer) ([]byte, error) {
	return strconv.AppendUint(dst, uint64(*(*T)(p)), 10), nil
}

// appendFloat writes 1.0 for one, as Python does: some clients tell 1 from 1.0.
func appendFloat(dst []byte, f float64, bits int) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("microversion: %v is no JSON number", f)
	}
	return pyrepr.AppendFloat(dst, f, bits), nil
}

func encodeRaw(dst []byte, _ Ctx, p unsafe.Pointer) ([]byte, error) {
	raw := *(*json.RawMessage)(p)
	if len(raw) == 0 {
		return append(dst, "null"...), nil
	}
	return append(dst, raw...), nil
}

func encodeNumber(dst []byte, _ Ctx, p unsafe.Pointer) ([]byte, error) {
	n := *(*json.Number)(p)
	if n == "" {
		return append(dst, '0'), nil
	}
	return append(dst, n...), nil
}

// The two ways in which Nova writes a time.
const (
	secondFormat = `"2006-01-02T15:04:05Z"`
	microFormat  = `"2006-01-02T15:04:05.000000"`
)

func timeEncoder(format string) (encoder, error) {
	layout, ok := map[string]string{"": secondFormat, "micro": microFormat}[format]
	if !ok {
		return nil, fmt.Errorf("microversion: %q is no time format", format)
	}
	return func(dst []byte, _ Ctx, p unsafe.Pointer) ([]byte, error) {
		t := *(*time.Time)(p)
		if t.IsZero() {
			return append(dst, "null"...), nil
		}
		return t.UTC().AppendFormat(dst, layout), nil
	}, nil
}

func encodePointer(e encoder) encoder {
	return func(dst []byte, c Ctx, p unsafe.Pointer) ([]byte, error) {
		to := *(*unsafe.Pointer)(p)
		if to == nil {
			return append(dst, "null"...), nil
		}
		return e(dst, c, to)
	}
}

// sliceHeader is how a slice of any type lies in memory.
type sliceHeader struct {
	data     unsafe.Pointer
	len, cap int
}

func encodeSlice(e encoder, size uintptr) encoder {
	return func(dst []byte, c Ctx, p unsafe.Pointer) ([]byte, error) {
		h := (*sliceHeader)(p)
		return appendItems(dst, c, e, h.data, size, h.len)
	}
}

func encodeArray(e encoder, size uintptr, n int) encoder {
	return func(dst []byte, c Ctx, p unsafe.Pointer) ([]byte, error) {
		return appendItems(dst, c, e, p, size, n)
	}
}

func appendItems(dst []byte, c Ctx, e encoder, data unsafe.Pointer, size uintptr, n int) ([]byte, error) {
	dst = append(dst, '[')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = e(dst, c, unsafe.Add(data, uintptr(i)*size)); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func makeMap(t reflect.Type, timeFormat string, in building) (encoder, error) {
	if t.Key().Kind() != reflect.String {
		return nil, fmt.Errorf("microversion: the keys of a %v are no strings", t)
	}
	if t.Elem().Kind() == reflect.String && !reflect.PointerTo(t.Elem()).Implements(appenderType) && t.Elem() != textType {
		return encodeStringMap, nil
	}
	e, err := makeEncoder(t.Elem(), timeFormat, in)
	if err != nil {
		return nil, err
	}
	return func(dst []byte, c Ctx, p unsafe.Pointer) ([]byte, error) {
		m := reflect.NewAt(t, p).Elem()
		keys := m.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return compareStrings(a.String(), b.String()) })
		slot := reflect.New(t.Elem())
		dst = append(dst, '{')
		for i, k := range keys {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(AppendString(dst, k.String()), ':')
			slot.Elem().Set(m.MapIndex(k))
			var err error
			if dst, err = e(dst, c, slot.UnsafePointer()); err != nil {
				return nil, err
			}
		}
		return append(dst, '}'), nil
	}, nil
}

// encodeStringMap serves every map whose keys and values are strings of some type: they
// all lie in memory as a map[string]string does.
func encodeStringMap(dst []byte, _ Ctx, p unsafe.Pointer) ([]byte, error) {
	m := *(*map[string]string)(p)
	dst = append(dst, '{')
	if len(m) > 0 {
		var room [16]string
		keys := room[:0]
		for k := range m {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for i, k := range keys {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(AppendString(dst, k), ':')
			dst = AppendString(dst, m[k])
		}
	}
	return append(dst, '}'), nil
}

func compareStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
