# The items of runcmd in a #cloud-config document that are plain strings, as a shell script.
/^[^ \t#-]/ { inside = ($1 == "runcmd:"); next }
inside && /^[ \t]*- +[^\[{|>]/ {
	sub(/^[ \t]*- +/, "")
	quote = substr($0, 1, 1)
	if ((quote == "\"" || quote == "'") && substr($0, length($0)) == quote)
		$0 = substr($0, 2, length($0) - 2)
	if (!lines++) print "#!/bin/sh"
	print
}
