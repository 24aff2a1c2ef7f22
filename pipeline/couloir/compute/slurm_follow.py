"""Hold the shell by which a SLURM job follows its stages: how each ended, and what becomes of the job then."""

FOLLOW = """
couloir_folder={folder} stage={first} told='' work='' stopping='' said="{said}"

# SLURM tells this script when its time is nearly up. Then the stage stops in order, and this job is queued again.
trap 'told=yes; stop' TERM
stop() {{
    [ -n "$work" ] || return 0
    {stop} || :
}}

# The tasks of an allocation have come together; where there are none, the stage begins by itself.
began() {{
    [ -z "$said" ] || [ -e "${{said%.ended}}.began" ]
}}

# For couloir status, in a file of this folder that is called as what became of the stage.
tell() {{
    echo "$(date +%s.%N) $2" > "$couloir_folder/$stage.$1" || :
}}

# How often this job has ended so, all its starts together.
ended_so() {{
    cat "$couloir_folder/{job}.$1" 2>/dev/null | wc -l
}}

# What SLURM does with this job, and how often it has begun it again, or will have.
standing() {{
    for _ in 1 2 3 4 5; do
        squeue --noheader --job "$SLURM_JOB_ID" --Format=State,RestartCnt && return
        sleep 10
    done
}}

# For good: couloir status is to say so, and what waits for this job is cancelled.
give_up() {{
    echo "couloir: $stage failed: $2{then}"
    cd "$couloir_folder" || exit "$1"
    {note} ||
        tell failed "$2"
    exit "$1"
}}

again() {{
    local state='' restarts=''
    IFS=' ' read -r state restarts <<< "$(standing)" || :
    if [ "${{state:-RUNNING}}" != RUNNING ] && [ "${{restarts:-0}}" -gt "${{SLURM_RESTART_COUNT:-0}}" ]; then
        echo "couloir: $stage stopped with exit code $1; SLURM has queued this job again"
        tell queued "SLURM has queued its job again"
        exit "$1"
    elif [ "${{state:-RUNNING}}" != RUNNING ]; then
        give_up "$1" "cancelled with its job"
    elif [ "${{SLURM_RESTART_COUNT:-0}}" -ge {requeues} ]; then
        give_up "$1" "queued {requeues} times (compute.slurm.requeues), and not any more"
    elif [ "$(ended_so killed)" -gt {most} ]; then
        give_up "$1" "killed again and again: for want of memory perhaps"
    elif [ "$(ended_so held)" -gt {most} ]; then
        give_up "$1" "held up again and again: another run holds the output, or the cluster is gone; see its log"
    fi
    echo "couloir: $stage stopped with exit code $1; this job is queued again, and goes on from there"
    tell queued "its job is queued again, after exit code $1"
    scontrol requeue "$SLURM_JOB_ID" || give_up "$1" "stopped, and SLURM does not queue it again: the log says why"
    sleep 600
    exit "$1"
}}

# The site's own lines have ended this script.
unready() {{
    local code=$?
    [ -z "$told" ] || again 143
    give_up $((code ? code : 1)) "its prologue ended the job with exit code $code"
}}

# Run a stage, and find out how it ended: with which exit code, and what that means.
attend() {{
    code=0
    "$@" & work=$!
    [ -z "$told" ] || stop  # told between the two
    wait $work || code=$?
    while kill -0 $work 2>/dev/null && [ ! -s "$said" ]; do  # a signal has ended the waiting
        if [ -z "$said" ]; then
            code=0
            wait $work || code=$?
        else  # srun may wait long for tasks that are not the run, and may have had none yet to tell
            sleep 2
            [ -z "$told" ] || began || stop
        fi
    done
    work=''
    if [ -s "$said" ]; then
        code=$(cat "$said")
    elif [ -n "$said" ] && [ $code -ne 0 ] && began; then
        code=137  # the run was killed, and srun may tell of another task
    fi
    case $code in
        0) end=done ;;
        {later}) end=held ;;
        143) if began; then end=stopped; else end=killed; fi ;;  # in order; or srun, with another task
        253) end=killed ;;  # srun's, of memory that ran out
        255) end=failed ;;  # Apptainer's, where the container does not start
        *) if [ $code -gt 128 ] && began; then end=killed; else end=failed; fi ;;
    esac
    [ $end = done ] || [ -z "$told" ] || end=stopped
}}

follow() {{
    stage=$1
    shift
    [ -z "$told" ] || again 143
    attend "$@"
    case $end in
        done) return 0 ;;
        killed | held) echo $code >> "$couloir_folder/{job}.$end" || : ;;
        failed) give_up $code "exit code $code, and its log says why" ;;
    esac
    again $code
}}
"""
