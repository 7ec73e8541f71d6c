// A message for the next page that is shown, kept in the session until then.

export function flash(req, message) {
  req.session.messages = [...(req.session.messages ?? []), message]
}

/** The messages that wait, once. */
export function takeMessages(req) {
  const messages = req.session.messages ?? []
  delete req.session.messages
  return messages
}
