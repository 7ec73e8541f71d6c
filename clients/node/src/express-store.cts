/**
 * The class Store of express-session where that is installed, else a plain EventEmitter: other frameworks want a store
 * of the same methods and have no use for express-session.
 */
// This file is CommonJS in both builds: only there can a package be asked for that may be missing.
import events = require('node:events')

interface StoreClass {
  new (): events.EventEmitter & {
    // biome-ignore lint/suspicious/noExplicitAny: the types of express-session need not be installed
    createSession?(request: any, session: any): any
  }
}

function find(): StoreClass {
  try {
    return require('express-session').Store
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error
    return events.EventEmitter as StoreClass
  }
}

const Store = find()

export = Store
