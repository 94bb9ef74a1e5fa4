<?php
// Serves the requests of one deployment, inside its sandbox, over the frame socket on descriptor 3.
// One call at a time: PHP runs one thing in a process, so a sandbox of PHP takes one call.

namespace Runwright;

require __DIR__ . '/wire.php';
require __DIR__ . '/text.php';
require __DIR__ . '/request.php';
require __DIR__ . '/response.php';
require __DIR__ . '/call.php';
require __DIR__ . '/load.php';

/** Takes frames until the host is gone. */
final class Runner
{
    /** @var array<int, Call> calls whose body is still on the way */
    private array $arriving = [];
    /** @var array<int, Call> calls that wait for their turn, by id */
    private array $waiting = [];
    private ?Call $current = null;
    private ?Loader $loader = null;

    public function __construct(private Wire $wire)
    {
    }

    public function serve(): never
    {
        ob_start(function (string $text): string {
            $this->print($text);
            return '';
        }, 1);
        register_shutdown_function(function (): void {
            // The function ended the process: what it said before is known, its answer is not.
            ob_get_level() > 0 && ob_end_flush();
            $this->current?->endLine();
        });
        $this->wire->send(HELLO, 0, json_encode(['version' => PHP_VERSION]));
        while (true) {
            $this->take(...$this->wire->receive());
            while ($this->loader !== null && $this->waiting !== []) {
                $id = array_key_first($this->waiting);
                $call = $this->waiting[$id];
                unset($this->waiting[$id]);
                $this->run($call);
            }
        }
    }

    private function run(Call $call): void
    {
        $this->current = $call;
        $call->takeEarly($this->early);
        $this->early = '';
        $this->loader->call($call, fn () => $this->drain());
        $this->current = null;
    }

    /** Handles what has come while user code ran; before it is answered it may have been cancelled. */
    private function drain(): void
    {
        ob_flush();
        while ($this->wire->hasMore()) {
            $this->take(...$this->wire->receive());
        }
    }

    /** One more frame, waited for by a stream whose window is closed. */
    public function takeOne(): void
    {
        $this->take(...$this->wire->receive());
    }

    private function take(int $kind, int $id, string $payload): void
    {
        match ($kind) {
            LOAD => $this->load($payload),
            REQUEST => $this->request($id, $payload),
            BODY => $this->body($id, $payload),
            CANCEL => $this->cancel($id),
            WINDOW => $this->window($id, $payload),
            PING => $this->wire->send(PONG, $id, ''),
            GONE => null, // user code is not told
            default => $this->wire->broken("unknown frame $kind"),
        };
    }

    private function load(string $payload): void
    {
        $assigned = json_decode($payload, true);
        if (!is_array($assigned) || !isset($assigned['root'])) {
            $this->wire->broken('malformed LOAD');
        }
        if ($this->loader !== null) {
            $this->wire->broken('a second LOAD');
        }
        $this->loader = new Loader($assigned['root'], $assigned['entrypoint'] ?? '', $assigned['env'] ?? []);
        ob_flush();
    }

    private function request(int $id, string $payload): void
    {
        if (strlen($payload) < 5) {
            $this->wire->broken('malformed REQUEST');
        }
        ['flags' => $flags, 'size' => $size] = unpack('Cflags/Vsize', $payload);
        $isKnown = isset($this->arriving[$id]) || isset($this->waiting[$id]) || $this->current?->id === $id;
        if (5 + $size > strlen($payload) || $isKnown) {
            $this->wire->broken('malformed REQUEST');
        }
        $isLogging = ($flags & FLAG_LOGGING) !== 0;
        $call = new Call($this->wire, $this, $id, $isLogging, substr($payload, 5, $size), substr($payload, 5 + $size));
        if (($flags & FLAG_END) !== 0) {
            $this->waiting[$id] = $call;
        } else {
            $this->arriving[$id] = $call;
        }
    }

    private function body(int $id, string $payload): void
    {
        if ($payload === '') {
            $this->wire->broken('malformed BODY');
        }
        $call = $this->arriving[$id] ?? null;
        if ($call === null) {
            if (isset($this->waiting[$id]) || $this->current?->id === $id) {
                $this->wire->broken('BODY after the end of its request');
            }
            return; // it was cancelled while its body was on the way
        }
        $call->body .= substr($payload, 1);
        if (strlen($call->body) > MAX_REQUEST_BYTES) {
            $this->wire->broken('request body too large');
        }
        if ((ord($payload[0]) & FLAG_END) !== 0) {
            unset($this->arriving[$id]);
            $this->waiting[$id] = $call;
        }
    }

    private function cancel(int $id): void
    {
        unset($this->arriving[$id], $this->waiting[$id]);
        if ($this->current?->id === $id) {
            $this->current->isCancelled = true;
        }
    }

    private function window(int $id, string $payload): void
    {
        if (strlen($payload) !== 4) {
            $this->wire->broken('malformed WINDOW');
        }
        if ($this->current?->id === $id) {
            $this->current->credit += unpack('V', $payload)[1];
        }
    }

    // What is printed

    /** What was printed before the first call, for it. */
    private string $early = '';

    private function print(string $text): void
    {
        if ($this->current !== null) {
            $this->current->print($text);
        } elseif (strlen($this->early) < 1024 * 1024) {
            $this->early .= $text;
        }
    }
}

(new Runner(new Wire()))->serve();
