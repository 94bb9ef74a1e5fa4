package main

import (
	"fmt"
	"sort"
	"strings"

	"github.com/open-runtimes/types-for-go/v4/openruntimes"
)

const (
	defaultType  = "text/plain"
	defaultHead  = "content-type:text/plain; charset=utf-8"
	hidden       = "x-open-runtimes-"
	maxHeadBytes = 64 * 1024
	nameSigns    = "!#$%&'*+-.^_`|~"
)

// status and head of what user code returned; an error says why they cannot be sent.
func build(r openruntimes.Response) (int, string, error) {
	status := r.StatusCode
	if status == 0 {
		status = 200
	}
	if status < 100 || status > 599 {
		return 0, "", fmt.Errorf(
			"Response status code must be an integer from 100 to 599, not %d.", r.StatusCode)
	}
	head, err := buildHead(r.Headers)
	return status, head, err
}

func buildHead(headers map[string]string) (string, error) {
	if len(headers) == 0 {
		return defaultHead, nil
	}
	kind := defaultType
	lines := make([]string, 0, len(headers))
	for name, value := range headers {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, hidden) {
			continue
		}
		if !isName(lower) {
			return "", fmt.Errorf("Response header name %q is not valid.", name)
		}
		if strings.ContainsFunc(value, isControl) {
			return "", fmt.Errorf(
				"Response header %q contains a character that headers cannot carry.", lower)
		}
		if lower == "content-type" {
			kind = value
			continue
		}
		lines = append(lines, "\n"+lower+":"+value)
	}
	sort.Strings(lines)
	head := "content-type:" + contentType(kind) + strings.Join(lines, "")
	if len(head) > maxHeadBytes {
		return "", fmt.Errorf("Response headers are larger than %d bytes.", maxHeadBytes)
	}
	return head, nil
}

func contentType(value string) string {
	lower := strings.ToLower(value)
	if strings.HasPrefix(lower, "multipart/") || strings.Contains(lower, "charset=") {
		return value
	}
	return lower + "; charset=utf-8"
}

func isName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		isWord := r >= '0' && r <= '9' || r >= 'a' && r <= 'z'
		return !isWord && !strings.ContainsRune(nameSigns, r)
	})
}

func isControl(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7f }

func hasNoBody(status int) bool { return status == 204 || status == 304 || status < 200 }
