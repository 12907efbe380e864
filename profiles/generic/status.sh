#!/bin/sh
# Print `running`, `success` or `failed` for the job whose id is given: what cluster-generic asks every few seconds.
# A scheduler that does not answer says nothing about the job, which is then still taken to run.
answer=$(scontrol --oneliner show job "$1" 2>&1)
case "$?:$answer" in
    0:*JobState=COMPLETED*) echo success ;;
    0:*JobState=PENDING* | 0:*JobState=RUNNING* | 0:*JobState=CONFIGURING* | 0:*JobState=COMPLETING*) echo running ;;
    0:*JobState=SUSPENDED* | 0:*JobState=REQUEUED*) echo running ;;
    0:*JobState=*) echo failed ;;
    *"Invalid job id"*) echo failed ;; # forgotten by the scheduler, so not running
    *) echo running ;;                 # no answer
esac
# PBS: answer=$(qstat -xf "$1"): job_state = Q, R, H or E is running; F with Exit_status = 0 is success.
# LSF: answer=$(bjobs -noheader -o stat "$1"): PEND, RUN, *SUSP are running; DONE is success.
# SGE: qstat -j "$1" answers while it runs; then qacct -j "$1" has exit_status.
