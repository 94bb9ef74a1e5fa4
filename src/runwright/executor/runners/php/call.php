<?php
// One request from its arrival to its last frame, and the context that user code sees of it.

namespace Runwright;

const NOTICE = "Native logs detected. Use context.log() or context.error() for better experience.\n";

final class Context
{
    public readonly Request $req;
    public readonly Response $res;

    public function __construct(private Call $call)
    {
        $this->req = new Request($call->head, $call->body);
        $this->res = new Response($call);
    }

    public function log(mixed ...$values): void
    {
        $this->call->entry(false, $values);
    }

    public function error(mixed ...$values): void
    {
        $this->call->entry(true, $values);
    }
}

final class Call
{
    public bool $isCancelled = false;
    public bool $isStreamEnded = false;
    public int $credit = WINDOW_BYTES;
    private bool $isEnded = false;
    private bool $isNoticed = false;
    private string $line = ''; // native output that lacks its newline
    private bool $isStreaming = false;
    private bool $isBodiless = false;
    private int $began = 0;
    private int $micros = 0;

    public function __construct(
        private Wire $wire,
        private Runner $runner,
        public readonly int $id,
        private bool $isLogging,
        public readonly string $head,
        public string $body,
    ) {
    }

    // Logs

    public function entry(bool $isError, array $values): void
    {
        if (!$this->isLogging) {
            return;
        }
        $text = entryText($values);
        ob_get_level() > 0 && ob_flush(); // what was printed before comes before
        $this->endLine();
        $this->emit($isError, $text);
    }

    public function print(string $text): void
    {
        if (!$this->isLogging || $text === '') {
            return;
        }
        if (!$this->isNoticed) {
            $this->isNoticed = true;
            $this->emit(false, NOTICE);
        }
        $lines = explode("\n", $this->line . $text);
        // A line without end is kept no further than its cut.
        $this->line = substr(array_pop($lines), 0, 4 * (MAX_ENTRY + 1));
        foreach ($lines as $line) {
            $this->emit(false, cut($line) . "\n");
        }
    }

    public function takeEarly(string $text): void
    {
        $this->print($text);
    }

    public function endLine(): void
    {
        if ($this->line !== '') {
            $line = $this->line;
            $this->line = '';
            $this->emit(false, cut($line) . "\n");
        }
    }

    private function emit(bool $isError, string $text): void
    {
        if ($this->isEnded || $this->isCancelled) {
            fwrite(STDERR, $text); // it belongs to no request any more
            return;
        }
        $this->wire->log($this->id, $isError, $text);
    }

    // The end

    public function begin(): void
    {
        $this->began = hrtime(true);
    }

    public function stop(): void
    {
        $this->micros = min(0xffffffff, intdiv(hrtime(true) - $this->began, 1000));
    }

    public function succeed(mixed $value): void
    {
        if ($this->isStreaming) {
            $this->finishStream(RESULT_OK);
            return;
        }
        try {
            $this->answer(RESULT_OK, ...build($value));
        } catch (\Throwable $error) {
            $this->entry(true, [$error instanceof BadResponse ? $error->getMessage() : $error]);
            $this->answer(RESULT_PAYLOAD, 500, HEAD_DEFAULT, '');
        }
    }

    public function fail(string $message): void
    {
        $this->entry(true, [$message]);
        if ($this->isStreaming) {
            $this->finishStream(RESULT_EXCEPTION);
            return;
        }
        $this->answer(RESULT_EXCEPTION, 500, HEAD_DEFAULT, '');
    }

    public function failToLoad(string $message): void
    {
        $this->entry(true, [$message]);
        $this->answer(RESULT_ENTRYPOINT, 503, HEAD_DEFAULT, '');
    }

    private function answer(int $result, int $status, string $head, string $body): void
    {
        $this->close();
        if ($this->isCancelled) {
            return;
        }
        if (strlen($body) <= PART_BYTES) {
            $this->wire->response($this->id, FLAG_END, $result, $status, $this->micros, $head, $body);
            return;
        }
        $this->wire->response($this->id, 0, $result, $status, $this->micros, $head, '');
        $this->sendParts($body);
        if (!$this->isCancelled) {
            $this->wire->end($this->id, $result, $this->micros);
        }
    }

    /** No output after this belongs to the request. */
    private function close(): void
    {
        $this->endLine();
        $this->isEnded = true;
    }

    // Streams

    public function streamStart(int $statusCode, array $headers): void
    {
        if ($this->isStreaming || $this->isEnded) {
            throw new \LogicException('$context->res->start() was called twice, or after the function had ended.');
        }
        $status = buildStatus($statusCode);
        $head = buildHead($headers);
        $this->isStreaming = true;
        $this->isBodiless = hasNoBody($status);
        if (!$this->isCancelled) {
            $this->wire->response($this->id, 0, RESULT_OK, $status, 0, $head, '');
        }
    }

    public function streamWrite(string $bytes): void
    {
        if (!$this->isStreaming) {
            $this->streamStart(200, []);
        }
        if ($this->isStreamEnded || $this->isEnded) {
            throw new \LogicException('$context->res->write() was called after the response had ended.');
        }
        if (!$this->isBodiless) {
            $this->sendParts($bytes);
        }
    }

    private function finishStream(int $result): void
    {
        $this->close();
        if (!$this->isCancelled) {
            $this->wire->end($this->id, $result, $this->micros);
        }
    }

    private function sendParts(string $bytes): void
    {
        for ($at = 0; $at < strlen($bytes) && !$this->isCancelled; $at += $size) {
            $size = 0;
            if ($this->credit === 0) {
                $this->runner->takeOne();
                continue;
            }
            $size = min(strlen($bytes) - $at, PART_BYTES, $this->credit);
            $this->wire->send(CHUNK, $this->id, substr($bytes, $at, $size));
            $this->credit -= $size;
        }
    }
}
