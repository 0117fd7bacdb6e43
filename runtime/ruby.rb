# The rest of the command ruby, see ruby.go: what is evaluated once there is an interpreter. ARGV begins with what the program is, and
# where.
proc do
  kind, program = ARGV.shift(2)
  exit!(1) unless kind # Ruby has said what it does not like about its options
  endings = []
  # Ruby runs them when it is taken down, which does not happen here.
  Kernel.define_method(:at_exit) { |&ending| endings.push(ending).last }
  Kernel.singleton_class.define_method(:at_exit) { |&ending| endings.push(ending).last }
  status = 0
  attempt = proc do |work|
    work.call
  rescue SystemExit => error
    status = error.status
  rescue Exception => error
    error.backtrace&.reject! { |line| line.start_with?("eval:") || line.end_with?("in 'Kernel.eval'", "in 'Kernel#load'") }
    $stderr.write(error.full_message(highlight: false))
    status = 1
  end
  work =
    case kind
    when "text" then proc { eval(program, TOPLEVEL_BINDING, "-e", 1) }
    when "file"
      $0 = File.expand_path(program)
      proc { File.exist?($0) ? load($0) : abort("ruby: No such file or directory -- #{program} (LoadError)") }
    when "input"
      $0 = "-"
      proc { eval($stdin.read, TOPLEVEL_BINDING, "-", 1) }
    else proc {}
    end
  attempt.call(work)
  attempt.call(endings.pop) until endings.empty?
  attempt.call(proc { [$stdout, $stderr].each(&:flush) })
  exit!(status)
end.call
