// s3rver, an S3 server that checks V4 signatures: keeps its objects in the folder that is the argument and prints
// {"port": …}. Its key is S3RVER, its secret S3RVER.
import S3rver from '@20minutes/s3rver';

const server = new S3rver({
  address: '127.0.0.1',
  port: 0,
  silent: true,
  directory: process.argv[2],
  vhostBuckets: false,
  configureBuckets: [{ name: 'site' }],
});
const { port } = await server.run();
console.log(JSON.stringify({ port }));
