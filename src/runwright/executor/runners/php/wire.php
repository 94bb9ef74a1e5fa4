<?php
// The frame socket. Layout and meaning of the frames: runwright/executor/wire.py. Writing waits for
// the host, which slows a flood of output down to the speed of its reader.

namespace Runwright;

const HEADER_BYTES = 9;
const MAX_FRAME_BYTES = 4 * 1024 * 1024;
const PART_BYTES = 256 * 1024;
const WINDOW_BYTES = 1024 * 1024;
const MAX_REQUEST_BYTES = 20 * 1024 * 1024;
const FLAG_END = 1;
const FLAG_LOGGING = 2;
const EXIT_PROTOCOL = 70;

const LOAD = 1;
const REQUEST = 2;
const BODY = 3;
const CANCEL = 4;
const WINDOW = 5;
const PING = 6;
const GONE = 7;
const HELLO = 16;
const LOG = 17;
const RESPONSE = 18;
const CHUNK = 19;
const END = 20;
const PONG = 21;

const RESULT_OK = 0;
const RESULT_EXCEPTION = 1;
const RESULT_ENTRYPOINT = 2;
const RESULT_PAYLOAD = 3;

final class Wire
{
    /** @var resource */
    private $socket;
    private string $held = '';

    public function __construct()
    {
        $this->socket = fopen('php://fd/3', 'r+b');
        stream_set_read_buffer($this->socket, 0);
        stream_set_write_buffer($this->socket, 0);
        stream_set_chunk_size($this->socket, PART_BYTES);
    }

    /** @return array{int, int, string} kind, request id, payload */
    public function receive(): array
    {
        $this->fill(HEADER_BYTES);
        ['length' => $length, 'kind' => $kind, 'id' => $id] = unpack('Vlength/Ckind/Vid', $this->held);
        if ($length < 5 || $length > MAX_FRAME_BYTES) {
            $this->broken('frame length out of bounds');
        }
        $this->fill(4 + $length);
        $payload = substr($this->held, HEADER_BYTES, $length - 5);
        $this->held = substr($this->held, 4 + $length);
        return [$kind, $id, $payload];
    }

    private function fill(int $size): void
    {
        while (strlen($this->held) < $size) {
            $data = fread($this->socket, PART_BYTES);
            if ($data === false || $data === '') {
                $this->leave(0); // without its host a runner has no purpose
            }
            $this->held .= $data;
        }
    }

    /** Whether a frame, or the beginning of one, has come. */
    public function hasMore(): bool
    {
        if ($this->held !== '') {
            return true;
        }
        $read = [$this->socket];
        $none = [];
        return stream_select($read, $none, $none, 0) === 1;
    }

    public function send(int $kind, int $id, string $payload): void
    {
        $data = pack('VCV', strlen($payload) + 5, $kind, $id) . $payload;
        while ($data !== '') {
            $sent = @fwrite($this->socket, $data);
            if ($sent === false || $sent === 0) {
                $this->leave(0);
            }
            $data = $sent === strlen($data) ? '' : substr($data, $sent);
        }
    }

    public function log(int $id, bool $isError, string $text): void
    {
        $this->send(LOG, $id, ($isError ? "\1" : "\0") . $text);
    }

    public function response(int $id, int $flags, int $result, int $status, int $micros, string $head, string $body): void
    {
        $fixed = pack('CCvVV', $flags, $result, $status, $micros, strlen($head));
        $this->send(RESPONSE, $id, $fixed . $head . $body);
    }

    public function end(int $id, int $result, int $micros): void
    {
        $this->send(END, $id, pack('CV', $result, $micros));
    }

    public function broken(string $reason): never
    {
        fwrite(STDERR, "runner: the host broke the frame rules: $reason\n");
        $this->leave(EXIT_PROTOCOL);
    }

    /** Ends the process at once, without what user code wanted to do at its end. */
    private function leave(int $code): never
    {
        exit($code);
    }
}
