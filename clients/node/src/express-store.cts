/**
 * The class Store of express-session where that is installed, else a plain EventEmitter: other frameworks want a store
 * of the same methods and have no use for express-session.
 */
// This file is CommonJS in both builds: only there can a package be asked for that may be missing.
import events = require('node:events')

// The types of express-session need not be installed.
interface Store extends events.EventEmitter {
  // biome-ignore lint/suspicious/noExplicitAny: see above
  regenerate(request: any, callback: (error?: any) => any): void
  // biome-ignore lint/suspicious/noExplicitAny: see above
  load(sid: string, callback: (error: any, session?: any) => any): void
  // biome-ignore lint/suspicious/noExplicitAny: see above
  createSession?(request: any, session: any): any
}

type StoreClass = new () => Store

function find(): StoreClass {
  try {
    return require('express-session').Store
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error
    return events.EventEmitter as unknown as StoreClass
  }
}

const StoreOrEmitter = find()

export = StoreOrEmitter
