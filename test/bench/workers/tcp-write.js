// Takes any number of connections and writes what they bring over old files, synced: what no bus on disk can be cheaper than.
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { answer, settings } from './answer.js'

/** As the embedded bus has them. */
const writeBytes = 4 * 1024 * 1024
const fileBytes = 64 * 1024 * 1024
const keptFiles = 4
/** Sockets that wait may have read a piece of 64 KiB each before they were told to. */
const roomBytes = 2 * writeBytes

/** One is filled while the other is written. Copying costs less than what V8 does about the sockets' memory when it is kept. */
let filling = Buffer.alloc(roomBytes)
let spare = Buffer.alloc(roomBytes)
let filled = 0
let received = 0
let written = 0
let file
let position = 0
let files = 0
let writing
const sockets = new Set()

const server = createServer((socket) => {
  sockets.add(socket)
  socket.on('close', () => sockets.delete(socket))
  socket.on('error', () => {})
  socket.on('data', (piece) => {
    received += piece.length
    filling.set(piece, filled)
    filled += piece.length
    if (filled >= writeBytes) pauseAndWrite()
  })
})

/** All sockets wait, if the one before is still being written. */
function pauseAndWrite() {
  for (const socket of sockets) socket.pause()
  if (writing === undefined) writing = write()
}

async function write() {
  const bytes = filling.subarray(0, filled)
  ;[filling, spare] = [spare, filling]
  filled = 0
  for (const socket of sockets) socket.resume()
  if (file === undefined || position >= fileBytes) await nextFile()
  const { bytesWritten } = await file.write(bytes, 0, bytes.length, position)
  if (bytesWritten !== bytes.length) throw new Error('a write was cut short')
  await file.datasync()
  position += bytesWritten
  written += bytesWritten
  writing = undefined
  if (filled >= writeBytes) pauseAndWrite()
}

async function nextFile() {
  await file?.close()
  file = await open(join(settings.dir, `written-${files % keptFiles}`), isSteady() ? 'r+' : 'wx')
  files++
  position = 0
}

/** From now on files are written over: their pages and blocks are there already. */
function isSteady() {
  return files >= keptFiles
}

answer({
  async open() {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return { port: server.address().port }
  },
  isSteady: () => isSteady(),
  /** @returns what came and what is on disk, in bytes: all of it */
  async finish() {
    while (written < received) {
      writing ??= write()
      await writing
    }
    return { received, written }
  },
})
