<?php
// How values become log text. Whatever user code logs, this must not throw.

namespace Runwright;

const MAX_ENTRY = 8000; // characters
const CUT = '... Log truncated due to size limit (8000 characters)';
const JSON_FLAGS = JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES;

/** One entry: the arguments, joined by one space, cut, with its newline. */
function entryText(array $values): string
{
    return cut(implode(' ', array_map(shown(...), $values))) . "\n";
}

function shown(mixed $value): string
{
    try {
        return match (true) {
            is_string($value) => $value,
            is_bool($value) => $value ? 'true' : 'false',
            $value === null => 'null',
            is_int($value) => (string) $value,
            $value instanceof \Throwable => (string) $value,
            $value instanceof \Stringable => (string) $value,
            default => json_encode($value, JSON_FLAGS | JSON_PARTIAL_OUTPUT_ON_ERROR) ?: get_debug_type($value),
        };
    } catch (\Throwable) {
        return '[' . get_debug_type($value) . ' that cannot be shown]';
    }
}

function cut(string $text): string
{
    if (strlen($text) <= MAX_ENTRY) {
        return $text;
    }
    $characters = @iconv_strlen($text, 'UTF-8');
    if ($characters === false) {
        return substr($text, 0, MAX_ENTRY) . CUT;
    }
    return $characters <= MAX_ENTRY ? $text : iconv_substr($text, 0, MAX_ENTRY, 'UTF-8') . CUT;
}
