package shell

import (
	"bytes"
	"context"
	"testing"
	"time"
)

// corners are scripts at the edges of the interpreter: some made it panic before they were refused or rewritten.
var corners = []string{
	`a=(["x"]=1 2); echo $a`, `a=(["x"]=1 [1+1]=2)`, `declare -A m; m=(1 2)`, `declare -A m; m+=(1)`, `typeset -A m=([a]=1 2)`, `f() { local -A m=(x); }; f`,
	`a[1]=(x)`, `echo ${a[@]:1:-5}`, `echo ${x:5:-9}`, `x=abc; echo ${x: -10:2}`, `echo ${@:0:1} ${*:-1}`, `echo ${#@} ${#*}`, `echo $((1/0))`, `echo $((1%0))`, `echo $((1<<99)) $((1<<-1)) $((2**-1)) $((2**999))`,
	`echo $((x++)) $((++x)) $((5++))`, `((5=3))`, `let 5++`, `echo $((a[))`, `printf -v x`, `read -p`, `shift -1`, `shift 99`, `break 99`, `continue -1`, `for i in 1; do break -1; done`, `return`, `exit -1`, `pushd; popd; popd; dirs`, `pushd -n x; popd -n; popd`, `popd -n`,
	`getopts`, `getopts a`, `getopts "" x -a`, `trap`, `trap -`, `trap x y`, `unset 'a[0]'`, `unset 'a['`, `a=(1 2 3); unset 'a[-9]'; unset 'a[1]'; echo ${a[1]} ${a[-1]} ${a[-9]}`, `declare -n r=r; echo $r; r=1`, `declare -n a=b b=a; echo $a; a=1; unset a`,
	`echo ${!x} ${!x*} ${!x@} ${!@}`, `x=y; y=x; echo ${!x}`, `x='a b'; echo ${!x}`, `x=; echo ${!x}`, `x='$'; echo ${!x}`, `x='@'; echo ${!x}`, `x='a[1'; echo ${!x}`, `echo ${x^} ${x^^} ${x,} ${x,,[} ${x/[/}`, `x=abc; echo ${x/[/} ${x//\\} ${x/#/y} ${x%%[} ${x@Q} ${x@E} ${x@P} ${x@A} ${x@a}`,
	`mapfile -d`, `mapfile -d ''`, `mapfile a b`, `mapfile x < /dev/null`, `readarray -t 5`, `read -a 5`, `alias x`, `alias 'x=$('`, `alias x=; shopt -s expand_aliases; eval x`, `shopt -s expand_aliases; alias a=a; eval 'a'`, `shopt -s expand_aliases; alias a='b ' b='a '; eval 'a b a'`, `set -o`, `set +o`, `set -o nonsense`, `shopt`, `shopt -o`, `shopt -s x`, `wait 99`, `wait g99`, `wait -n`,
	`case x in [) echo a;; esac`, `[[ x == [ ]]`, `[[ x =~ ( ]]`, `[[ -n ]]`, `[[ a -lt b ]]`, `echo [`, `echo [[:x:]]`, `shopt -s extglob; echo !(a|b) +([`, `shopt -s globstar; echo /**`, `echo {1..5..0} {a..z..99} {z..a} {1..a} {é..z}`, `echo {,}{,}{,}`, `echo {9223372036854775806..9223372036854775807}`, `echo {1..3..9223372036854775807}`,
	`printf %d`, `printf '%*d'`, `printf '%.*s' -1 x`, `eval`, `eval ''`, `eval '('`, `. /dev/null`, `source`, `exec`, `exec ''`, `''`, `command ''`, `command`, `command -v`, `builtin`, `builtin ''`, `type`, `type ''`, `x= ''`, `"$@"`, `$nope`, `$(echo)`, `local x`, `declare -f nope`, `declare -p`, `export -f x`, `readonly x=1; x=2`, `readonly x; unset x`, `time`, `time -p true`, `!`, `! !`, `coproc`, `function f { :; }; f`, `f() { :; } > /x; f`, `cat <<< x <<< y`, `cat << E`, `cat <<''
x

`, `echo $'\x00a' $'\u1234' $'\c'`, `printf 'a\0b' | { read x; echo "$x"; }`, `x=$(printf 'a\0b'); echo "$x"`, `$(printf '\0status') 1`, `cd ''`, `cd a b`, `umask x y`, `test 1 -eq`, `[ ]`, `[`, `echo ~+ ~- ~1`, `: ${x:=y} ${1:=y}`, `: ${@:=y}`, `${x?}`, `set -u; echo $1 $@ $x`, `set -e; (false); echo`, `RANDOM=x; echo $RANDOM`, `UID=5`, `IFS=; read x <<< "a b"`, `PS4='$(x)'; set -x; echo`, `OPTIND=99; getopts a x`, `OPTIND=-1; getopts a x -a`, `_sh_option=1:99; getopts a x -a`, `_sh_status`, `_sh_status x`, `_sh_where`, `_sh_getopts`, `_sh_getopts a`, `_sh_getopts a 'x;y' b`, `_sh_umask=x; umask; touch /a`, `_sh_random 1`, `command _sh_where`, `echo() { :; }; command echo x`,
	`a=(1 2 3); echo ${a[@]:5} ${a[@]: -9:2} ${a[@]:1:-9} ${a[99999999999]}`, `a[99999999999]=x`, `a[-1]=x`, `a=(); echo ${a[-1]} ${a[0]}; unset 'a[-1]'`, `a=([5]=x [2]=y); echo ${a[@]:0:2} ${!a[@]}`, `a=([-1]=x)`,
	`x=é; echo ${x:0:1} ${x:1} ${x:99} ${#x} ${x:-1:1}`, `echo ${x:(-1)} ${x::} ${x:$((1/0))}`, `echo ${a[$(]}`, `echo $[1+1]`, `for ((;;)); do break; done`, `for ((i=0;i<2;i++)); do echo; done`, `for i; do :; done`, `for x in; do :; done`,
	`case $x in esac`, `[[ ! -e ]]`, `[[ a && ]]`, `[[ -v a[0] ]]`, `[[ -o x ]]`, `[[ -R x ]]`, `[[ -t x ]]`, `[[ a < b ]]`, `function x() { return 300; }; x`, `f() { f2() { :; }; f2; }; f`, `f() { unset -f f; }; f; f`, `exec > /dev/full; echo x`, `echo x >&9`, `echo x 9>&1`, `cat 0<&9`, `cat <&-`, `echo >&-`, `read x <&-`, `mapfile <&-`, `exec <&-; read x; cat`, `exec 0</nope`,
	`{ exec 2>/dev/null; }; nosuch`, `x=$(<)`, `x=$(< /nope)`, `: $(( $(echo 1) ))`, `echo $((08))`, `echo $((2#3)) $((64#z)) $((99#1))`, `echo $((1?2:(3)))`, `echo $((a=b=c))`, `a=a; echo $((a))`, `a=b; b=a; echo $((a))`, `a='1+'; echo $((a))`, `let`, `let ''`, `let 1/0`, `((1/0))`, `echo $((-9223372036854775808 / -1)) $((-9223372036854775808 % -1))`, `echo $((1 << 64)) $((1 >> -1))`,
	`trap 'exit 5' EXIT; exit 3`, `trap 'trap x EXIT' EXIT`, `trap 'false' ERR; false`, `trap "trap - ERR; false" ERR; set -e; false`, `eval 'trap "eval exit" EXIT'`, `set -- ; echo "$@" "${@:1}" ${1:0}`, `echo ${@:99} ${@:-1:1} ${*:1:-1}`, `set -- a b; echo ${@:1:-1}`, `read -a x <<< 'a b'; echo ${x[1]}`, `declare -a x=(1); declare -A y=([a]=1); echo ${y[a]} ${y[@]} ${!y[@]} ${y[$x]}; y[b]=2; unset 'y[a]'; y+=([c]=3)`, `declare -A y; y=1`, `declare -n n; n=x`, `declare -n n=a[0]; n=1; echo $n`, `local -n x=y`, `export a[0]=1`, `readonly -a x=(1); x+=(2)`, `declare -i x=5`, `declare -u x=a`, `declare -x`, `export`, `typeset`, `nameref x=y`,
}

// TestInterpreterPanics: a panic in a stage of a pipeline, which has a goroutine of its own, would end the process.
func TestInterpreterPanics(t *testing.T) {
	for _, text := range corners {
		for _, s := range []string{text, "(" + text + "\n) | cat"} {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			var errs bytes.Buffer
			_, err := Run(ctx, Options{FS: newBox(t), Args: []string{"bash", "-c", s}, Stderr: &errs})
			cancel()
			if err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
	}
}
