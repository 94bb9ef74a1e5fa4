package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

const (
	maxEntry = 8000 // characters
	cutMark  = "... Log truncated due to size limit (8000 characters)"
)

// entryText is one entry: the values, joined by one space, cut, with its newline.
func entryText(values []any) string {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = format(value)
	}
	return cut(strings.Join(texts, " ")) + "\n"
}

// Maps, lists and structs are written as JSON where they can be, everything else as fmt does.
func format(value any) (text string) {
	defer func() {
		if recover() != nil { // a String method of user code
			text = "[value that cannot be shown]"
		}
	}()
	switch known := value.(type) {
	case string:
		return known
	case error:
		return known.Error()
	case fmt.Stringer:
		return known.String()
	}
	kind := reflect.ValueOf(value)
	for kind.Kind() == reflect.Pointer && !kind.IsNil() {
		kind = kind.Elem()
	}
	switch kind.Kind() {
	case reflect.Map, reflect.Slice, reflect.Array, reflect.Struct:
		if data, err := json.Marshal(value); err == nil {
			return string(data)
		}
	}
	return fmt.Sprintf("%+v", value)
}

func cut(text string) string {
	if len(text) <= maxEntry || utf8.RuneCountInString(text) <= maxEntry {
		return text
	}
	count := 0
	for at := range text {
		if count == maxEntry {
			return text[:at] + cutMark
		}
		count++
	}
	return text
}
