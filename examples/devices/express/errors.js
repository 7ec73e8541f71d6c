// Pages for what goes wrong. They ask nothing of the session, which may be what is missing.

const TRY_AGAIN = { href: '/', text: 'Try again' }
const PAGES = {
  400: {
    title: 'This cannot be understood',
    text: 'Nothing was changed. What your browser has sent is not what a page of ours would send.',
    link: { href: '/', text: 'Start again' },
  },
  403: {
    title: 'This form is out of date',
    text: 'Nothing was changed. The page that you sent it from was open for too long, or since before you signed in.',
    link: { href: '/', text: 'Start again' },
  },
  404: {
    title: 'There is no such page',
    text: 'The address may be mistyped, or the page is gone.',
    link: { href: '/', text: 'To the first page' },
  },
  500: {
    title: 'Something went wrong',
    text: 'The fault is on our side. It has been noted.',
    link: TRY_AGAIN,
  },
  503: {
    title: 'Not available just now',
    text: 'We cannot look up who is signed in. You need not sign in again; please try it once more in a moment.',
    link: TRY_AGAIN,
  },
}

export function notFound(_req, res) {
  res.status(404).render('error', PAGES[404])
}

/** @param isReady whether the session server can be reached: what fails while it cannot be is no fault of the site */
export function errorPage(isReady) {
  return (error, _req, res, _next) => {
    const status = error.status ?? (isReady() ? 500 : 503)
    if (status >= 500) console.error(status === 503 ? `503: ${error.message}` : error)
    // What the session could not save at the end of an answer is noted; the answer is on its way.
    if (res.headersSent) return
    if (status === 503) res.set('Retry-After', '5')
    res.status(status).render('error', PAGES[status] ?? PAGES[status >= 500 ? 500 : 400])
  }
}
