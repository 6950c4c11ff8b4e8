/** The sockets by which processes of one gateway, and people at it, reach each other. */
export { jsonValue, textFrom, valueFrom, writesFrom } from './frames.ts'
export { connectSocket, type SocketClient } from './socket-client.ts'
export { type Method, SocketServer } from './socket-server.ts'
