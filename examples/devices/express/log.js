// One line a request: what was asked for and how it ended. Neither cookies nor what forms hold.

export function log(req, res, next) {
  const { method, path } = req
  res.on('finish', () => console.log(`${method} ${path} ${res.statusCode}`))
  next()
}
