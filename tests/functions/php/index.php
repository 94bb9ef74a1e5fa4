<?php
// One action per row of the runtime checklist, chosen by the header x-action.

echo "module loaded\n";

$counter = 0;
$actions = [
    'text' => fn ($c) => $c->res->text('Hello World 👋'),
    'json' => fn ($c) => $c->res->json(['json' => true, 'message' => 'Developers are awesome. ü']),
    'echoJson' => fn ($c) => $c->res->json($c->req->bodyJson),
    'type' => fn ($c) => $c->res->text('typed', 200, ['Content-Type' => $c->req->headers['x-type']]),
    'redirect' => fn ($c) => $c->res->redirect('https://github.com/'),
    'redirectWith' => fn ($c) => $c->res->redirect('/next', 307, ['x-why' => 'moved']),
    'empty' => fn ($c) => $c->res->empty(),
    'noReturn' => function ($c) {
        $c->res->text('This should be ignored, as it is not returned.');
    },
    'doubleResponse' => function ($c) {
        $c->res->text('This should be ignored.');
        return $c->res->text('This should be returned.');
    },
    'headers' => fn ($c) => $c->res->text('OK', 200, [
        'x-first' => 'first-value',
        'X-Second' => $c->req->headers['x-open-runtimes-custom-in-header'] ?? 'missing',
        'x-cookie' => $c->req->headers['cookie'] ?? 'missing',
        'x-open-runtimes-custom-out-header' => 'third-value',
    ]),
    'status' => fn ($c) => $c->res->text('FAIL', (int) ($c->req->headers['x-status'] ?? 404)),
    'rawStatus' => fn ($c) => ['body' => 'x', 'statusCode' => json_decode($c->req->bodyText)],
    'request' => fn ($c) => $c->res->json([
        'method' => $c->req->method,
        'url' => $c->req->url,
        'scheme' => $c->req->scheme,
        'host' => $c->req->host,
        'port' => $c->req->port,
        'path' => $c->req->path,
        'query' => (object) $c->req->query,
        'queryString' => $c->req->queryString,
        'headers' => $c->req->headers,
    ]),
    'bodyText' => fn ($c) => $c->res->text($c->req->bodyText),
    'bodyRaw' => fn ($c) => $c->res->send($c->req->bodyRaw),
    'body' => fn ($c) => is_string($c->req->body)
        ? $c->res->text($c->req->body, 200, ['x-kind' => 'text'])
        : $c->res->json($c->req->body, 200, ['x-kind' => 'json']),
    'bodyJson' => fn ($c) => $c->res->json(['key' => $c->req->bodyJson['key1'], 'all' => $c->req->bodyJson]),
    'bodyBinary' => fn ($c) => $c->res->binary($c->req->bodyBinary),
    'md5' => fn ($c) => $c->res->send(md5($c->req->bodyBinary), 200, ['x-method' => $c->req->method]),
    'binaryKinds' => fn ($c) => $c->res->binary(pack('C*', 0, ((int) $c->req->headers['x-kind'] + 1) * 10, 255)),
    'sendNumber' => fn ($c) => $c->res->send(50),
    'sendBytes' => fn ($c) => $c->res->send($c->req->bodyBinary, 200, ['content-type' => 'image/png']),
    'env' => fn ($c) => $c->res->json([
        'set' => getenv('CUSTOM_ENV_VAR') ?: null,
        'unset' => getenv('NOT_DEFINED_VAR') ?: null,
    ]),
    'logs' => function ($c) {
        echo "Native log\n";
        $c->log('Debug log');
        $c->error('Error log');
        $c->log('Log+With+Plus+Symbol');
        $c->log(42);
        $c->log(4.2);
        $c->log(true);
        $c->log(['objectKey' => 'objectValue']);
        $c->log(['arrayValue']);
        $c->log(str_repeat('a', 9000));
        $c->error(str_repeat('b', 9000));
        $c->log(str_repeat('c', 8000));
        return $c->res->text('');
    },
    'nativeStreams' => function ($c) {
        echo 'out ';
        print "line\n";
        fwrite(STDERR, "err line\n");
        return $c->res->text('');
    },
    'twoArguments' => function ($c) {
        $c->log('log1', 'log2');
        $c->error('error1', 'error2');
        return $c->res->text('');
    },
    'logThenThrow' => function ($c) {
        $c->log('before the end');
        throw new Exception('Main function error');
    },
    'sleep' => function ($c) {
        $id = $c->req->query['id'];
        $c->log("start $id");
        echo "native start $id\n";
        usleep(1000 * (int) ($c->req->query['ms'] ?? 50));
        echo "native end $id\n";
        $c->log("end $id");
        return $c->res->text("slept $id");
    },
    'bare' => fn ($c) => 'just text',
    'bareNumber' => fn ($c) => 42,
    'bareList' => fn ($c) => [1, 2],
    'nothing' => fn ($c) => [],
    'handMade' => fn ($c) => ['body' => 'made', 'statusCode' => '201', 'headers' => ['X-Made' => 'yes']],
    'headerKinds' => fn ($c) => $c->res->text('', 200, [
        'x-number' => 248,
        'x-flag' => true,
        'set-cookie' => ['a=1; Path=/', 'b=2'],
        'x-accent' => 'é',
    ]),
    'badHeaderValue' => fn ($c) => $c->res->text('', 200, ['x-bad' => "a\r\nset-cookie: evil=1"]),
    'badHeaderName' => fn ($c) => $c->res->text('', 200, ['x bad' => 'a']),
    'manyHeaders' => fn ($c) => $c->res->text('', 200, ['x-big' => str_repeat('x', (int) $c->req->query['size'])]),
    'counter' => function ($c) use (&$counter) {
        return $c->res->text((string) ++$counter);
    },
    'large' => function ($c) {
        $size = (int) $c->req->query['size'];
        $body = substr(str_repeat('abcdefghij', intdiv($size, 10) + 1), 0, $size);
        return $c->res->binary($body, 200, ['content-type' => 'application/octet-stream']);
    },
    'largeText' => fn ($c) => $c->res->text(str_repeat('é', (int) $c->req->query['size'])),
    'stream' => function ($c) {
        $c->res->start(201, ['content-type' => 'text/event-stream']);
        $c->res->write('first ');
        $c->log('between');
        $c->res->end('second');
        return 'ignored';
    },
    'streamMany' => function ($c) {
        $c->res->start();
        for ($i = 0; $i < (int) $c->req->query['parts']; $i++) {
            $c->res->write(str_repeat(chr($i), 100_000));
            $c->log("wrote $i");
        }
        $c->res->end();
    },
    'streamThenThrow' => function ($c) {
        $c->res->write('half');
        throw new Exception('broken in the middle');
    },
    'spin' => function ($c) {
        $c->log('before the loop');
        while (true) {
        }
    },
    'flood' => function ($c) {
        $line = str_repeat('x', 999);
        for ($i = 0; $i < (int) $c->req->query['lines']; $i++) {
            $c->log($line);
        }
        return $c->res->text('flooded');
    },
    'exit' => function ($c) {
        $c->log('before the exit');
        exit(3);
    },
    'openFiles' => fn ($c) => $c->res->text(shell_exec('/bin/ls -l /proc/self/fd')),
];

return function ($context) use ($actions) {
    $action = $actions[$context->req->headers['x-action']] ?? null;
    if ($action === null) {
        throw new Exception('Unknown action');
    }
    return $action($context);
};
