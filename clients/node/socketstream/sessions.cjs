// SocketStream's sessions in a RedisSessionStore: HTTP and web sockets share one. docs/socketstream.md explains it.
const session = require('express-session')
const signature = require('cookie-signature')

const COOKIE = 'connect.sid'

/** Lets SocketStream (`ss`) keep its sessions in `store`. `secret` signs the cookie. */
module.exports = function useSessions(ss, store, secret) {
  ss.session.store.use(store)
  ss.session.setStrategy({
    // Requests by HTTP.
    sessionMiddleware: session({ name: COOKIE, store, secret, resave: false, saveUninitialized: true }),

    // Web sockets bring the cookie of the page that opened them.
    extractSocketSessionToken(request) {
      const found = /(?:^|; *)connect\.sid=s(?:%3A|:)([^;]*)/.exec(request.headers.cookie ?? '')
      return found ? signature.unsign(decodeURIComponent(found[1]), secret) : false
    },

    // For a socket whose session has ended: an empty one, which is stored only if a responder writes it.
    create: (id) => store.createSession({ sessionID: id, sessionStore: store }, { cookie: { originalMaxAge: null } }),
  })
}
