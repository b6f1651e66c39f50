#!/usr/bin/env bash
# A Slurm cluster of N nodes on this host, for tests: private daemons that live in DIR, touch nothing of /etc and end by pid
# (slurm_down.sh). As root; DIR must be short (the path of a socket holds it): mktemp -d.
#   tests/slurm/slurm_up.sh DIR N [PORT]        then: export SLURM_CONF=DIR/slurm.conf
# What the unusual lines are for:
#   config_overrides         a node may claim more cores than this host has
#   TmpFS, TaskProlog        nodes share a host name: PMIx folders and Open MPI's shared memory files need a folder a node
#   cred_expire=5            a requeued job waits for two minutes otherwise
#   proctrack/linuxproc      pgid keeps every batch job for three seconds more
#   SlurmdTimeout=10         a lost node is noticed in half a minute
set -euo pipefail
dir=$1 nodes=$2 port=${3:-16817} host=$(hostname -s)
mkdir -p "$dir"/{state,spool,log,munge,mrun}
chmod 755 "$dir" "$dir/mrun" # munge: execute permission for all on every folder above the socket
chmod 700 "$dir/munge"
head -c 128 /dev/urandom >"$dir/munge/munge.key"
chmod 400 "$dir/munge/munge.key"
munged --key-file="$dir/munge/munge.key" --socket="$dir/mrun/munge.socket" --pid-file="$dir/mrun/munged.pid" \
    --log-file="$dir/munge/munged.log" --seed-file="$dir/munge/munged.seed" --num-threads=2
cat >"$dir/taskprolog.sh" <<T
#!/bin/bash
echo "export OMPI_MCA_btl_vader_backing_directory=$dir/tmp/\$SLURMD_NODENAME"
T
chmod +x "$dir/taskprolog.sh"
{
    cat <<C
ClusterName=spantest
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/mrun/munge.socket,cred_expire=5
CredType=cred/munge
SlurmctldPort=$port
StateSaveLocation=$dir/state
SlurmctldPidFile=$dir/slurmctld.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdSpoolDir=$dir/spool/%n
SlurmdPidFile=$dir/slurmd-%n.pid
SlurmdLogFile=$dir/log/slurmd-%n.log
TmpFS=$dir/tmp/%n
TaskProlog=$dir/taskprolog.sh
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$dir/log/jobcomp.txt
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0,sched_min_interval=200000
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdParameters=config_overrides
KillWait=10
SlurmctldTimeout=30
SlurmdTimeout=10
JobRequeue=1
MailProg=/bin/true
C
    for i in $(seq 0 $((nodes - 1))); do
        echo "NodeName=n$i NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 100 + i)) CPUs=4 RealMemory=8000 State=UNKNOWN"
    done
    echo "PartitionName=ci Nodes=ALL Default=YES MaxTime=10:00 State=UP OverSubscribe=NO"
} >"$dir/slurm.conf"
export SLURM_CONF=$dir/slurm.conf
slurmctld -f "$dir/slurm.conf"
for i in $(seq 0 $((nodes - 1))); do
    mkdir -p "$dir/spool/n$i" "$dir/tmp/n$i"
    chmod 1777 "$dir/tmp/n$i"
    slurmd -f "$dir/slurm.conf" -N "n$i"
done
for _ in $(seq 200); do
    [ "$(sinfo -h -o '%t %D' 2>/dev/null)" = "idle $nodes" ] && exit 0
    sleep .05
done
sinfo -R
tail -n 20 "$dir/log/slurmctld.log"
exit 1
