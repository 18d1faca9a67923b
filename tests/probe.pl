# Attempts of one Unix user, read from standard input: `KIND TARGET...` a line; prints `KIND TARGET... 1` where it got in,
# else 0. The argument is a word that an answer must have in it where a port is asked.
use strict;
use warnings;
use Fcntl;
use IO::Socket::INET;
use IO::Socket::UNIX;

my ($mark) = @ARGV;
$mark //= '';

# Whether PostgreSQL lets a session begin: it checks CONNECT only after it has said "authentication ok".
sub admitted {
    my ($socket, $role, $database, @more) = @_;
    return 0 unless $socket;
    my $words = join "\0", 'user', $role, 'database', $database, @more;
    print $socket pack 'N N a*', length($words) + 10, 196608, "$words\0\0";
    $socket->flush;
    while (1) {
        my ($type, $length) = unpack 'a N', taken($socket, 5) // return 0;
        my $body = taken($socket, $length - 4) // return 0;
        return 0 if $type eq 'E' || $type eq 'R' && unpack('N', $body) != 0;
        return 1 if $type eq 'Z';
    }
}
sub taken {
    my ($socket, $size) = @_;
    my $text = '';
    while (length $text < $size) { sysread($socket, $text, $size - length $text, length $text) or return undef }
    return $text;
}
sub unix { return IO::Socket::UNIX->new(Peer => $_[0]) }
sub tcp { return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $_[0], Timeout => 5) }
sub asked {
    my ($socket) = @_;
    return 0 unless $socket;
    return 1 if $mark eq '';
    local $SIG{ALRM} = sub { die };
    local $SIG{PIPE} = 'IGNORE';
    my $answer = '';
    eval {
        alarm 2;
        print $socket "GET / HTTP/1.0\r\n\r\n";
        $socket->flush;
        local $/;
        $answer = <$socket> // '';
        alarm 0;
    };
    alarm 0;
    return index($answer, $mark) >= 0;
}
sub readable {
    my ($path) = @_;
    if (-d $path) { opendir my $directory, $path or return 0; return 1 }
    sysopen my $file, $path, O_RDONLY | O_NONBLOCK or return 0;
    my $got = sysread $file, my $text, 1;
    return defined $got || $!{EIO} || $!{EAGAIN} ? 1 : 0;
}
sub creates {
    my $path = "$_[0]/.probe-$$";
    sysopen my $file, $path, O_WRONLY | O_CREAT | O_EXCL or return 0;
    unlink $path;
    return 1;
}
sub bound {
    my ($address, $port) = @_;
    my $socket = IO::Socket::INET->new(LocalAddr => $address, LocalPort => $port, Listen => 1, ReuseAddr => 1, ReusePort => 1);
    return $socket ? 1 : 0;
}
# In a child, which then is elsewhere.
sub entered {
    my ($path) = @_;
    my $pid = fork // die;
    if ($pid) { waitpid $pid, 0; return $? == 0 }
    open my $namespace, '<', $path or exit 1;
    exit(syscall(308, fileno $namespace, 0x40000000) == 0 ? 0 : 1);
}
sub commanded {
    my ($verb, $unit) = @_;
    my @more = $verb eq 'set-property' ? ('CPUWeight=1') : ();
    my $pid = fork // die;
    if ($pid) { waitpid $pid, 0; return $? == 0 }
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
    exec 'systemctl', '--no-ask-password', ($verb eq 'set-property' ? '--runtime' : ()), $verb, $unit, @more;
}
sub journal {
    my $said = qx(journalctl -q -n 1 -o cat -u $_[0] 2>/dev/null);
    return $said ne '';
}

my %kinds = (
    'peer' => sub { admitted(unix('/run/postgresql/.s.PGSQL.5432'), @_) },
    'tcp' => sub { admitted(tcp(5432), @_) },
    'bridge' => sub { my ($port, @who) = @_; admitted(tcp($port), @who) },
    'physical' => sub { admitted(unix('/run/postgresql/.s.PGSQL.5432'), @_, 'replication', 'true') },
    'logical' => sub { admitted(unix('/run/postgresql/.s.PGSQL.5432'), @_, 'replication', 'database') },
    'read' => \&readable,
    'list' => \&readable,
    'memory' => \&readable,
    'write' => sub { sysopen my $file, $_[0], O_WRONLY | O_APPEND },
    'create' => \&creates,
    'link' => sub { defined readlink $_[0] },
    'socket' => sub { unix($_[0]) || IO::Socket::UNIX->new(Peer => $_[0], Type => SOCK_DGRAM) },
    'port' => sub { asked(tcp($_[0])) },
    'bind' => \&bound,
    'signal' => sub { kill 0, $_[0] },
    'enter' => \&entered,
    'command' => \&commanded,
    'journal' => \&journal,
);
$| = 1;
while (my $line = <STDIN>) {
    chomp $line;
    my ($kind, @target) = split ' ', $line;
    my $won = $kinds{$kind}->(@target) ? 1 : 0;
    print "$line $won\n";
}
