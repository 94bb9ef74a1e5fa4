package openruntimes

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
)

const hidden = "x-open-runtimes-"

// Request is the request of a call; changing it changes nothing for others.
type Request struct {
	Headers     map[string]string // names in lower case
	Method      string
	Scheme      string
	Host        string
	Port        int
	Path        string
	QueryString string
	Query       map[string]string
	Url         string

	body []byte
}

// BodyBinary is the body as it came.
func (r Request) BodyBinary() []byte { return r.body }

// BodyText is the body as text.
func (r Request) BodyText() string { return string(r.body) }

// BodyRaw is an older name of BodyText.
func (r Request) BodyRaw() string { return string(r.body) }

// BodyJson reads the body as JSON into what `value` points to, whatever the content type.
func (r Request) BodyJson(value any) error {
	if err := json.Unmarshal(r.body, value); err != nil {
		return fmt.Errorf("the body is not the JSON that was wanted: %w", err)
	}
	return nil
}

// Body is text, or for a content type of JSON what it holds: an empty map for an empty body, and
// nil where it is broken.
func (r Request) Body() any {
	kind := strings.ToLower(r.Headers["content-type"])
	if !strings.HasPrefix(kind, "application/json") {
		return r.BodyText()
	}
	if len(r.body) == 0 {
		return map[string]any{}
	}
	var value any
	if json.Unmarshal(r.body, &value) != nil {
		return nil
	}
	return value
}

// ParseRequest is the server's way to make one. `head` is "METHOD target" and one "name:value" a
// line; see runwright/executor/wire.py.
func ParseRequest(head string, body []byte) Request {
	lines := strings.Split(head, "\n")
	method, target, _ := strings.Cut(lines[0], " ")
	target, _, _ = strings.Cut(target, "#")
	r := Request{Method: strings.ToUpper(method), Headers: parseHeaders(lines[1:]), body: body}
	r.Path, r.QueryString, _ = strings.Cut(target, "?")
	r.Query = parseQuery(r.QueryString)
	r.Scheme = "http"
	if given := r.Headers["x-forwarded-proto"]; given != "" {
		r.Scheme = given
	}
	defaultPort := 80
	if r.Scheme == "https" {
		defaultPort = 443
	}
	r.Host, r.Port = splitHost(r.Headers["host"], defaultPort)
	r.Url = r.Scheme + "://" + r.Host
	if r.Port != defaultPort {
		r.Url += ":" + strconv.Itoa(r.Port)
	}
	r.Url += r.Path
	if r.QueryString != "" {
		r.Url += "?" + r.QueryString
	}
	return r
}

func parseHeaders(lines []string) map[string]string {
	headers := make(map[string]string, len(lines)+len(enforced))
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		name = strings.ToLower(name)
		if strings.HasPrefix(name, hidden) {
			continue
		}
		before, isRepeated := headers[name]
		switch {
		case !isRepeated:
			headers[name] = value
		case name == "cookie":
			headers[name] = before + "; " + value
		default:
			headers[name] = before + ", " + value
		}
	}
	for name, value := range enforced {
		headers[name] = value
	}
	return headers
}

// Headers that win over those of the caller; by contract a broken value counts as none.
var enforced = func() map[string]string {
	parsed := map[string]any{}
	decoder := json.NewDecoder(strings.NewReader(os.Getenv("OPEN_RUNTIMES_HEADERS")))
	decoder.UseNumber()
	if decoder.Decode(&parsed) != nil {
		return nil
	}
	found := map[string]string{}
	for name, value := range parsed {
		found[strings.ToLower(name)] = fmt.Sprint(value)
	}
	return found
}()

func parseQuery(text string) map[string]string {
	query := map[string]string{}
	for _, pair := range strings.Split(text, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name != "" {
			query[name] = value
		}
	}
	return query
}

// An IPv6 literal keeps its brackets.
func splitHost(value string, defaultPort int) (string, int) {
	end := 0
	if strings.HasPrefix(value, "[") {
		end = strings.Index(value, "]") + 1
	}
	colon := strings.Index(value[end:], ":")
	if colon < 0 {
		return value, defaultPort
	}
	digits := value[end+colon+1:]
	port, err := strconv.ParseUint(digits, 10, 17)
	if err != nil || len(digits) > 5 {
		return value[:end+colon], defaultPort
	}
	return value[:end+colon], int(port)
}
