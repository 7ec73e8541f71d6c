/**
 * What a function that was given to `update` makes of a session: another object that it returns, else the one that it was
 * given and has changed. (An arrow function returns whatever its expression gives: the number that `push` does is no session.)
 */
export async function outcome<D extends object>(change: (data: D) => unknown, data: D): Promise<D> {
  const other = await change(data)
  return typeof other === 'object' && other !== null ? (other as D) : data
}
