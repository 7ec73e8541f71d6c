// What a browser says it is, in words that its owner recognises. The first match counts: most browsers also name those
// that they are descended from.

const BROWSERS = [
  [/Edg(e|A|iOS)?\//, 'Edge'],
  [/OPR\//, 'Opera'],
  [/SamsungBrowser\//, 'Samsung Internet'],
  [/(Firefox|FxiOS)\//, 'Firefox'],
  [/(Chrome|CriOS|Chromium)\//, 'Chrome'],
  [/Safari\//, 'Safari'],
]

const SYSTEMS = [
  [/iPhone/, 'iPhone'],
  [/iPad/, 'iPad'],
  [/Android/, 'Android'],
  [/Windows/, 'Windows'],
  [/CrOS/, 'ChromeOS'],
  [/Macintosh/, 'macOS'],
  [/Linux/, 'Linux'],
]

const KINDS = [
  [/iPhone|Android.* Mobile/, 'phone'],
  [/iPad|Android/, 'tablet'],
]

const firstOf = (table, text) => table.find(([pattern]) => pattern.test(text))?.[1]

/** The name and kind of a device, "Firefox on Windows" and "computer", by the User-Agent header of its browser. */
export function describe(userAgent = '') {
  const words = [firstOf(BROWSERS, userAgent), firstOf(SYSTEMS, userAgent)].filter(Boolean)
  return { name: words.join(' on ') || 'Unknown device', kind: firstOf(KINDS, userAgent) ?? 'computer' }
}
