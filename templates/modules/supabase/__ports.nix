# Where the programs of an instance listen in its network namespace: the same for every instance, and out of reach from
# outside. The gateway's own stands where no instance may have its public port (numbers.json), because nginx tells its
# listeners apart by address and port.
{
  gateway = (builtins.fromJSON (builtins.readFile ./numbers.json)).base;
  auth = 9999;
  storage = 5000;
  realtime = 4000;
  meta = 8080;
  studio = 3000;
  imgproxy = 5001;
  # PostgreSQL, entered by peer as the login of realtime, and as the owner for Studio's connections through meta.
  realtimeDatabase = 5432;
  metaDatabase = 5433;
}
