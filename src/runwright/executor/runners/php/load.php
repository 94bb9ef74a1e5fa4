<?php
// From an entrypoint to the function that answers requests.

namespace Runwright;

const SERVER_FOLDER = '/usr/local/server';

/** Includes a file where it sees nothing of the runner. */
function including(): mixed
{
    return include func_get_arg(0);
}

final class Loader
{
    private ?\Closure $function = null;
    private string $failure = '';

    public function __construct(private string $root, private string $entrypoint, array $env)
    {
        foreach ($env as $name => $value) {
            putenv("$name=$value");
            $_ENV[$name] = $_SERVER[$name] = $value;
        }
        chdir(is_dir(SERVER_FOLDER) ? SERVER_FOLDER : $root);
        $this->load();
    }

    private function load(): void
    {
        $name = $this->entrypoint === '' ? 'index.php' : $this->entrypoint;
        $file = "$this->root/$name";
        if (!is_file($file)) {
            $this->failure = "Failed to load entrypoint, file $name does not exist.";
            return;
        }
        try {
            $found = including($file);
        } catch (\ParseError $error) {
            $where = str_replace("$this->root/", '', $error->getFile());
            $this->failure = "Syntax error in $where:{$error->getLine()}: {$error->getMessage()}";
            return;
        } catch (\Throwable $error) {
            $this->failure = "Failed to load module: {$error->getMessage()}\n" . $this->trace($error);
            return;
        }
        if (is_callable($found)) {
            $this->function = \Closure::fromCallable($found);
        } else {
            $this->failure = "Function signature invalid. Did you forget to export a 'main' function?";
        }
    }

    /** Answers one call; `$settle` is run between user code and the answer. */
    public function call(Call $call, \Closure $settle): void
    {
        if ($this->function === null) {
            $call->failToLoad($this->failure);
            return;
        }
        $call->begin();
        try {
            $value = ($this->function)(new Context($call));
        } catch (\Throwable $error) {
            $call->stop();
            $settle();
            $call->fail(get_class($error) . ": {$error->getMessage()}\n" . $this->trace($error));
            return;
        }
        $call->stop();
        $settle();
        $call->succeed($value);
    }

    /** Where it was thrown and through what, without the runner's own frames. */
    private function trace(\Throwable $error): string
    {
        $lines = ["At {$error->getFile()}:{$error->getLine()}"];
        foreach (explode("\n", $error->getTraceAsString()) as $line) {
            if (!str_contains($line, __DIR__) && !str_contains($line, '{main}') && !str_contains($line, 'Runwright\\')) {
                $lines[] = $line;
            }
        }
        return implode("\n", $lines);
    }
}
