<?php

// Every request to this function, from whatever trigger, calls this one handler.
return function ($context) {
    $context->log($context->req->method, $context->req->path);

    if ($context->req->path === '/ping') {
        return $context->res->text('Pong');
    }

    return $context->res->json([
        'message' => 'Hello from PHP',
        'runtime' => PHP_VERSION,
        'trigger' => $context->req->headers['x-appwrite-trigger'] ?? 'http',
        'next' => 'Edit index.php, deploy again, and this answer is yours.',
    ]);
};
