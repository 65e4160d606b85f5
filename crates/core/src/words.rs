//! Condition types and their reasons: finite, so that alerts and metrics can rely on them.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every variant, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word as it stands in the object.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),+ }
            }
        }
    };
}

words! {
    /// Types of conditions. All are positive, so that False is always bad; Holding is present only while True.
    ConditionType {
        /// The object is being evaluated. Never the verdict: installers wait on it.
        Ready,
        /// The verdict, worst finding first.
        Healthy,
        /// No real cluster is registered under two names.
        ClustersUnique,
        /// One KubeFed control plane works on this server.
        ControlPlaneUnique,
        /// Registrations are what their identity was proven with.
        RegistrationsCurrent,
        /// KubeFed runs, finishes what it is asked to, and nothing of an earlier installation is in its way.
        ControlPlaneHealthy,
        /// Registered clusters answer.
        ClustersReachable,
        /// Workspaces are not deleted against their desired state.
        WorkspacesStable,
        /// No namespace is lost or armed.
        NamespacesSafe,
        /// The holds that spec asks for would work, proven on this server.
        HoldReady,
        /// The policies of the join guard that spec asks for are installed, and every registration is in their list.
        JoinGuardReady,
        /// Remediation may act.
        RemediationAllowed,
        /// A hold stands.
        Holding,
        /// An act of remediation is in force; present only while True.
        Remediating,
        /// Somebody asked for a pause; present only while True.
        Paused,
    }
}

words! {
    /// Reasons of conditions.
    Reason {
        /// Nothing is judged yet.
        NotObservedYet,
        /// The object is being evaluated.
        Evaluating,
        /// All checks passed.
        NoFindings,
        /// A check passed.
        AsExpected,
        /// Open findings.
        IssuesReported,
        /// Something could not be judged.
        UnknownReported,
        /// The spec contradicts itself.
        InvalidSpec,
        /// Another, older object guards the same federation.
        DuplicateFederationHealth,
        /// A kind that is needed is not installed.
        CRDNotInstalled,
        /// A right is lacking.
        Forbidden,
        /// A watch has not delivered yet or is stale.
        WatchNotSynced,
        /// Two registrations of one cluster.
        DoubledRegistration,
        /// Two registrations that may be one cluster; weak evidence.
        SuspectedDuplicate,
        /// Equal UIDs, different live objects.
        ClonedIdentity,
        /// A second control plane.
        SecondControlPlane,
        /// A registration changed under its name.
        Drifted,
        /// A registration is older than its own namespace.
        Resurrected,
        /// A registration is proven to be a leftover.
        StaleRegistration,
        /// A registration looks stale and in use at once.
        ConflictingStaleness,
        /// Objects of an earlier installation.
        LeftoverObjects,
        /// Rights that an unjoined registration left behind.
        LeftoverAccess,
        /// KubeFed of another host manages a member too.
        SharedMember,
        /// The kind FederatedWorkspace is being deleted.
        FederatedKindDeleted,
        /// Deletions wait for clusters that do not answer.
        DeletionsBlocked,
        /// KubeFed does not run.
        ControllerStopped,
        /// A registration's readiness comes and goes.
        ReadinessFlapping,
        /// Two of KubeSphere's Clusters are one cluster.
        TwinClusters,
        /// A namespace's owner comes and goes.
        OwnerFight,
        /// Namespaces survived outside their Workspace.
        NamespacesUnbound,
        /// KubeSphere's own Workspace is in KubeFed's care.
        SystemWorkspaceExposed,
        /// A control plane's namespace hangs in Terminating.
        NamespaceStuck,
        /// A member's kubeconfig expires.
        CertificateExpiring,
        /// A cluster does not join.
        JoinFailed,
        /// An object that cannot be read.
        MalformedObject,
        /// A registered cluster does not answer.
        Unreachable,
        /// A Workspace was deleted against its desired state.
        UnexpectedDeletion,
        /// A Workspace is recreated again and again.
        Churning,
        /// Many Workspaces began to be deleted or recreated at once.
        MassChurn,
        /// Other federated objects are deleted and created again and again.
        ObjectsChurning,
        /// A placement selects a Workspace's cluster no more.
        SelectedNowhere,
        /// Namespaces were lost.
        NamespacesLost,
        /// Namespaces whose owner does not exist.
        NamespacesArmed,
        /// The hold chain works on this server.
        Proven,
        /// The server has no ValidatingAdmissionPolicy v1.
        PolicyUnsupported,
        /// A policy or binding is missing.
        PolicyMissing,
        /// A policy or binding differs from the shipped one.
        PolicyAltered,
        /// There are more registrations than the join guard's list takes.
        ListFull,
        /// The proof failed.
        ProofFailed,
        /// The proof has not run yet.
        ProofPending,
        /// A person released the rule in the FederationHold.
        ReleasedByHand,
        /// A person asked for the hold.
        Requested,
        /// A hold was found standing whose cause is not recorded.
        Unrecorded,
        /// The cause is gone but release would lose something.
        ReleaseBlocked,
        /// An act of remediation is in force.
        ActsInForce,
        /// Remediation: the mode is Observe.
        Observing,
        /// Remediation: the mode is DryRun.
        DryRun,
        /// Remediation: undo records cannot be kept.
        JournalUnavailable,
        /// Remediation: somebody asked for a pause.
        Paused,
        /// Remediation: another replica leads.
        NotLeading,
        /// Remediation: a deciding fact is not up to date.
        FactsStale,
        /// Remediation: evidence contradicts itself.
        EvidenceConflicts,
        /// Remediation: too many clusters turned bad at once.
        FleetUnhealthy,
        /// Remediation: a rung was without effect.
        LadderStopped,
        /// Remediation: a person asked to take acts back.
        UndoRequested,
        /// Remediation: the acts of the hour are used up.
        BudgetSpent,
        /// Remediation: the last request failed.
        RequestFailed,
        /// Remediation: the action's switch is Never.
        ActionNever,
        /// Remediation: the plan waits for a person.
        NotApproved,
        /// Remediation: the object opted out.
        OptedOut,
        /// Remediation: another program keeps the object.
        KeptByAnother,
        /// Remediation: the object was acted on a short while ago.
        CoolingDown,
        /// Remediation: another writer reverted an act.
        Contested,
        /// Remediation: the object is not there any more.
        TargetGone,
        /// Remediation: the object is not what was planned for.
        TargetChanged,
        /// Remediation: the simulation shows a loss.
        WouldLose,
        /// Remediation: objects that nobody looked at may be lost.
        Unsimulated,
        /// Remediation: no durable hold is proven.
        NotHeld,
        /// Remediation: no name of a doubled cluster is proven to be a leftover.
        NoneStale,
        /// Remediation: a Cluster object would bring the registration back.
        WouldComeBack,
        /// Remediation: what would be kept is longer than a record.
        TooLong,
        /// Remediation: the journal has no room.
        JournalFull,
    }
}
