/**
 * What a function that was given to `update` makes of a session: another object that it returns, else the one that it was
 * given and has changed. An arrow function returns whatever its expression gives: the number that `push` does, a list or a
 * member of the session is no session.
 */
export async function outcome<D extends object>(change: (data: D) => unknown, data: D): Promise<D> {
  const other = await change(data)
  if (typeof other !== 'object' || other === null || Array.isArray(other)) return data
  return Object.values(data).includes(other) ? data : (other as D)
}
