<?php
// `$context->req`. Bodies are read when they are asked for.

namespace Runwright;

const HIDDEN = 'x-open-runtimes-';

/** Headers that win over those of the caller; by contract a broken value counts as none. */
function enforcedHeaders(): array
{
    $parsed = json_decode(getenv('OPEN_RUNTIMES_HEADERS') ?: '', true);
    $found = [];
    foreach (is_array($parsed) ? $parsed : [] as $name => $value) {
        $found[strtolower($name)] = shown($value);
    }
    return $found;
}

final class Request
{
    public string $method;
    public string $scheme;
    public string $host;
    public int $port;
    public string $path;
    public string $queryString;
    /** @var array<string, string> */
    public array $query;
    public string $url;
    /** @var array<string, string> names in lower case */
    public array $headers;
    public string $bodyBinary;

    public function __construct(string $head, string $body)
    {
        $lines = explode("\n", $head);
        [$method, $target] = explode(' ', array_shift($lines), 2) + [1 => ''];
        [$this->path, $this->queryString] = explode('?', explode('#', $target, 2)[0], 2) + [1 => ''];
        $this->method = strtoupper($method);
        $this->headers = $this->parseHeaders($lines);
        $this->query = $this->parseQuery($this->queryString);
        $this->scheme = ($this->headers['x-forwarded-proto'] ?? '') ?: 'http';
        $default = $this->scheme === 'https' ? 443 : 80;
        [$this->host, $port] = $this->splitHost($this->headers['host'] ?? '');
        $this->port = $port ?? $default;
        $this->url = "$this->scheme://$this->host" . ($this->port === $default ? '' : ":$this->port")
            . $this->path . ($this->queryString === '' ? '' : "?$this->queryString");
        $this->bodyBinary = $body;
    }

    public function __get(string $name): mixed
    {
        return match ($name) {
            'bodyText', 'bodyRaw' => $this->bodyBinary,
            'bodyJson' => $this->parseJson(),
            'body' => $this->body(),
            default => '',
        };
    }

    private function parseJson(): mixed
    {
        try {
            return json_decode($this->bodyBinary, true, flags: JSON_THROW_ON_ERROR);
        } catch (\JsonException $error) {
            throw new \JsonException("The body is not JSON: {$error->getMessage()}", 0, $error);
        }
    }

    private function body(): mixed
    {
        $type = strtolower($this->headers['content-type'] ?? 'text/plain');
        if (!str_starts_with($type, 'application/json')) {
            return $this->bodyBinary;
        }
        return $this->bodyBinary === '' ? [] : $this->parseJson();
    }

    private function parseHeaders(array $lines): array
    {
        $headers = [];
        foreach ($lines as $line) {
            [$name, $value] = explode(':', $line, 2) + [1 => ''];
            $name = strtolower($name);
            if (str_starts_with($name, HIDDEN)) {
                continue;
            }
            $before = $headers[$name] ?? null;
            $joint = $name === 'cookie' ? '; ' : ', ';
            $headers[$name] = $before === null ? $value : $before . $joint . $value;
        }
        return array_merge($headers, enforcedHeaders());
    }

    private function parseQuery(string $text): array
    {
        $query = [];
        foreach (explode('&', $text) as $pair) {
            [$name, $value] = explode('=', $pair, 2) + [1 => ''];
            if ($name !== '') {
                $query[$name] = $value;
            }
        }
        return $query;
    }

    /** @return array{string, ?int} an IPv6 literal keeps its brackets */
    private function splitHost(string $value): array
    {
        $end = str_starts_with($value, '[') ? (int) strpos($value, ']') + 1 : 0;
        $colon = strpos($value, ':', $end);
        if ($colon === false) {
            return [$value, null];
        }
        $digits = substr($value, $colon + 1);
        return [substr($value, 0, $colon), preg_match('/^\d{1,5}$/D', $digits) ? (int) $digits : null];
    }
}
