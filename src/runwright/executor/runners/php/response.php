<?php
// `$context->res` and the rules that turn what user code returned into status, head and body.

namespace Runwright;

const HEAD_DEFAULT = 'content-type:text/plain; charset=utf-8';
const MAX_HEAD_BYTES = 64 * 1024;

/** User code returned something that is no response; the message goes to its errors. */
final class BadResponse extends \Exception
{
}

final class Response
{
    public function __construct(private Call $call)
    {
    }

    public function text(string $body, int $statusCode = 200, array $headers = []): array
    {
        return ['body' => $body, 'statusCode' => $statusCode, 'headers' => $headers];
    }

    /** An empty array is written as an object: PHP does not tell them apart. */
    public function json(mixed $value, int $statusCode = 200, array $headers = []): array
    {
        $body = $value === [] ? '{}' : json_encode($value, JSON_FLAGS | JSON_THROW_ON_ERROR);
        $headers = withHeader($headers, 'content-type', 'application/json');
        return ['body' => $body, 'statusCode' => $statusCode, 'headers' => $headers];
    }

    public function binary(string $bytes, int $statusCode = 200, array $headers = []): array
    {
        return ['body' => $bytes, 'statusCode' => $statusCode, 'headers' => $headers];
    }

    public function redirect(string $url, int $statusCode = 301, array $headers = []): array
    {
        $headers = withHeader($headers, 'location', $url);
        return ['body' => '', 'statusCode' => $statusCode, 'headers' => $headers];
    }

    public function empty(): array
    {
        return ['body' => '', 'statusCode' => 204, 'headers' => []];
    }

    public function send(string $body, int $statusCode = 200, array $headers = []): array
    {
        return ['body' => $body, 'statusCode' => $statusCode, 'headers' => $headers];
    }

    /** Streaming: head first, then parts, then the end. What the function returns is then ignored. */
    public function start(int $statusCode = 200, array $headers = []): void
    {
        $this->call->streamStart($statusCode, $headers);
    }

    public function write(string $chunk): void
    {
        $this->call->streamWrite($chunk);
    }

    public function end(string $chunk = ''): void
    {
        $this->call->streamWrite($chunk);
        $this->call->isStreamEnded = true;
    }
}

/** One name in any spelling is one header. */
function withHeader(array $headers, string $name, string $value): array
{
    $others = array_filter($headers, fn ($own) => strtolower((string) $own) !== $name, ARRAY_FILTER_USE_KEY);
    return [...$others, $name => $value];
}

/** @return array{int, string, string} status, head and body of what user code returned */
function build(mixed $value): array
{
    if ($value === null) {
        throw new BadResponse('Return statement missing. return $context->res->empty() if no response is expected.');
    }
    if (!is_array($value) || ($value !== [] && array_is_list($value))) {
        $kind = get_debug_type($value);
        throw new BadResponse(
            "The function returned $kind instead of a response. Return the result of a helper, "
            . 'for example $context->res->text(...) or $context->res->json(...).'
        );
    }
    $status = buildStatus($value['statusCode'] ?? 200);
    $head = buildHead($value['headers'] ?? []);
    return [$status, $head, hasNoBody($status) ? '' : buildBody($value['body'] ?? '')];
}

function buildStatus(mixed $value): int
{
    $status = is_string($value) && preg_match('/^\s*\d{3}\s*$/D', $value) ? (int) $value : $value;
    if (!is_int($status) || $status < 100 || $status > 599) {
        throw new BadResponse('Response status code must be an integer from 100 to 599, not ' . json_encode($value) . '.');
    }
    return $status;
}

function buildBody(mixed $value): string
{
    return match (true) {
        is_string($value) => $value,
        is_array($value) || $value instanceof \JsonSerializable => json_encode($value, JSON_FLAGS | JSON_THROW_ON_ERROR),
        is_scalar($value) => shown($value),
        $value instanceof \Stringable => (string) $value,
        default => throw new BadResponse('Response body cannot be of type ' . get_debug_type($value) . '.'),
    };
}

function buildHead(mixed $headers): string
{
    if (!is_array($headers)) {
        throw new BadResponse('Response headers must be an array, not ' . get_debug_type($headers) . '.');
    }
    $type = 'text/plain';
    $lines = '';
    foreach ($headers as $name => $value) {
        $lower = strtolower((string) $name);
        if (str_starts_with($lower, HIDDEN)) {
            continue;
        }
        if (!preg_match('/^[!#$%&\'*+\-.^_`|~0-9a-z]+$/D', $lower)) {
            throw new BadResponse('Response header name ' . json_encode($name) . ' is not valid.');
        }
        foreach (is_array($value) ? $value : [$value] as $one) {
            $text = headerText($lower, $one);
            if ($lower === 'content-type') {
                $type = $text;
            } else {
                $lines .= "\n$lower:$text";
            }
        }
    }
    $head = 'content-type:' . contentType($type) . $lines;
    if (strlen($head) > MAX_HEAD_BYTES) {
        throw new BadResponse('Response headers are larger than ' . MAX_HEAD_BYTES . ' bytes.');
    }
    return $head;
}

function headerText(string $name, mixed $value): string
{
    if ($value !== null && !is_scalar($value) && !$value instanceof \Stringable) {
        throw new BadResponse("Response header \"$name\" has no value that can be sent (" . get_debug_type($value) . ').');
    }
    $text = $value === null ? '' : shown($value);
    if (preg_match('/[\x00-\x08\x0a-\x1f\x7f]/', $text)) {
        throw new BadResponse("Response header \"$name\" contains a character that headers cannot carry.");
    }
    return $text;
}

function contentType(string $value): string
{
    $lower = strtolower($value);
    if (str_starts_with($lower, 'multipart/') || str_contains($lower, 'charset=')) {
        return $value;
    }
    return "$lower; charset=utf-8";
}

function hasNoBody(int $status): bool
{
    return $status === 204 || $status === 304 || $status < 200;
}
