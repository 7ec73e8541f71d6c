import { flavours } from './clients.js'
import { hearsAllPrimaries } from './events-cluster.js'

for (const n of [4, 7]) hearsAllPrimaries(flavours[n]!)
