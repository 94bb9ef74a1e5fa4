# Every request to this function, from whatever trigger, calls this one method.
def main(context)
  context.log(context.req.method, context.req.path)

  return context.res.text('Pong') if context.req.path == '/ping'

  context.res.json({
                     message: 'Hello from Ruby',
                     runtime: RUBY_VERSION,
                     trigger: context.req.headers['x-appwrite-trigger'] || 'http',
                     next: 'Edit index.rb, deploy again, and this answer is yours.'
                   })
end
